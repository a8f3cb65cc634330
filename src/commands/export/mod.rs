//! `service-healthcheck export`: the ticks of services as text that other tools read.
//!
//! The export goes service by service, oldest tick first, with one chunk in memory at a time. It
//! ends with the ticks that were the newest when it began.

mod openmetrics;
mod rows;
mod source;

use std::io::{BufWriter, ErrorKind, Write};

use self::source::{ExportError, Exported, TickSource};
use crate::cli::{ExportArgs, ExportFormat};
use crate::commands::stored::Stored;
use crate::config::{Config, ConfigError, StorageConfig};
use crate::domain::access::GroupLimit;
use crate::domain::time::timestamp;
use crate::domain::{Invalid, Window};
use crate::error::Error;
use crate::storage::records::NamedService;

const BUFFER_BYTES: usize = 64 * 1024;

/// Writes the ticks to standard output.
pub(super) fn run(config: &Config, args: &ExportArgs) -> Result<(), Error> {
    let window = window(args)?;
    let out = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock());
    let Exported { skipped } = export(&config.storage, args, window, out)?;
    if skipped > 0 {
        eprintln!(
            "{skipped} ticks are left out: they are not later than the tick before them, as after \
             the clock was set back"
        );
    }
    Ok(())
}

/// The window of `--from` and `--to`, in unix milliseconds.
fn window(args: &ExportArgs) -> Result<Window, ConfigError> {
    let (from_ms, to_ms) = (args.from.unwrap_or(i64::MIN), args.to.unwrap_or(i64::MAX));
    if from_ms < to_ms {
        return Ok(Window { from_ms, to_ms });
    }
    let invalid = Invalid::new(timestamp::to_rfc3339(from_ms), "a time before --to");
    Err(ConfigError { problems: vec![invalid.of("--from")] })
}

/// Writes to `out`. A closed `out` ends the export without an error, as a reader such as `head`
/// closes it when it has enough.
fn export(
    storage: &StorageConfig,
    args: &ExportArgs,
    window: Window,
    mut out: impl Write,
) -> Result<Exported, Error> {
    let mut store = Stored::open(storage)?;
    let services = store.rows().named_services(None, &GroupLimit::NONE)?.items;
    let services = select(services, &args.services).map_err(Error::Failed)?;
    let mut source = TickSource { store, window };
    let written = match args.format {
        ExportFormat::Csv => rows::write_csv(&mut source, &services, &mut out),
        ExportFormat::Jsonl => rows::write_jsonl(&mut source, &services, &mut out),
        ExportFormat::Openmetrics => openmetrics::write(&mut source, &services, &mut out),
    };
    match written.and_then(|exported| Ok(out.flush().map(|()| exported)?)) {
        Ok(exported) => Ok(exported),
        Err(ExportError::Storage(id, error)) => {
            Err(source.store.failed(&format_args!("service {id}: {error}")))
        }
        Err(ExportError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(Exported::default())
        }
        Err(ExportError::Output(error)) => Err(Error::Failed(format!("standard output: {error}"))),
    }
}

/// The services that `wanted` names by id, name, or group and name, in the order of `services`;
/// all when `wanted` is empty. The error has one line per service that is unknown or not unique.
fn select(services: Vec<NamedService>, wanted: &[String]) -> Result<Vec<NamedService>, String> {
    if wanted.is_empty() {
        return Ok(services);
    }
    let mut is_selected = vec![false; services.len()];
    let mut problems = Vec::new();
    for text in wanted {
        match find(&services, text).as_slice() {
            [index] => is_selected[*index] = true,
            [] => {
                let expected = "the id, name or GROUP/NAME of a service that is not deleted";
                problems.push(Invalid::quoted(text, expected).of("--service"));
            }
            several => {
                let all = several.iter().map(|index| &services[*index]);
                let all: Vec<String> =
                    all.map(|service| format!("{} ({})", service.id, full_name(service))).collect();
                let expected = format!("the id or GROUP/NAME of one of {}", all.join(", "));
                problems.push(Invalid::quoted(text, expected).of("--service"));
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    let selected = services.into_iter().zip(is_selected).filter(|(_, is_selected)| *is_selected);
    Ok(selected.map(|(service, _)| service).collect())
}

/// Indexes of the services with this id; otherwise with this name; otherwise with this group and
/// name.
fn find(services: &[NamedService], text: &str) -> Vec<usize> {
    let all = |is_wanted: &dyn Fn(&NamedService) -> bool| -> Vec<usize> {
        let numbered = services.iter().enumerate();
        numbered.filter(|(_, service)| is_wanted(service)).map(|(index, _)| index).collect()
    };
    let by_id = all(&|service| service.id.to_string() == text);
    let by_name = || all(&|service| service.name == text);
    let found = if by_id.is_empty() { by_name() } else { by_id };
    if found.is_empty() { all(&|service| full_name(service) == text) } else { found }
}

/// As [`FullName`](crate::domain::FullName) is displayed.
fn full_name(service: &NamedService) -> String {
    match &service.group {
        Some(group) => format!("{group}/{}", service.name),
        None => service.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Labels, ServiceId};

    #[test]
    fn services_are_selected_by_id_or_name_and_each_once() {
        let service = |id, group: &str, name: &str| NamedService {
            id: ServiceId::new(id).unwrap(),
            name: name.to_owned(),
            group: Some(group).filter(|group| !group.is_empty()).map(str::to_owned),
            labels: Labels::default(),
            newest_seq: 0,
        };
        let all = || {
            vec![
                service(1, "", "a"),
                service(2, "", "b"),
                service(3, "", "2"),
                service(4, "core", "api"),
                service(5, "edge", "api"),
            ]
        };
        let ids = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            let selected = select(all(), &wanted)?;
            Ok(selected.iter().map(|service| service.id.get()).collect::<Vec<_>>())
        };
        assert_eq!(ids(&[]), Ok(vec![1, 2, 3, 4, 5]));
        assert_eq!(ids(&["b", "a", "2"]), Ok(vec![1, 2]), "an id comes before a name");
        let error: Result<_, String> = ids(&["a", "c", "6"]);
        let error = error.unwrap_err();
        assert!(error.contains("\"c\"") && error.contains("\"6\""), "{error}");
        assert_eq!(ids(&["edge/api"]), Ok(vec![5]));
        let error = ids(&["api"]).unwrap_err();
        assert_eq!(
            error,
            "--service: invalid value \"api\", expected the id or GROUP/NAME of one of \
             4 (core/api), 5 (edge/api)"
        );
    }

    #[test]
    fn a_window_must_have_a_length() {
        let args = |from, to| {
            let (format, services) = (ExportFormat::Csv, Vec::new());
            ExportArgs { format, services, from, to }
        };
        assert_eq!(window(&args(None, None)).unwrap(), Window::ALL);
        let from_1_to_2 = Window { from_ms: 1, to_ms: 2 };
        assert_eq!(window(&args(Some(1), Some(2))).unwrap(), from_1_to_2);
        assert!(window(&args(Some(2), Some(2))).unwrap_err().to_string().contains("--from"));
    }
}
