//! The series that the compliance suite's queries select, with random values.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use service_healthcheck::promql::Labels;

use super::memory::Memory;

/// 2026-01-01T00:00:00Z
pub const START_MS: i64 = 1_767_225_600_000;
pub const LENGTH_MS: i64 = 3 * 3_600_000;

/// Milliseconds of a second at which no sample is taken: those of all queries.
pub const QUERY_MS: i64 = 777;

const INTERVAL_MS: i64 = 15_000;
const INSTANCES: [&str; 3] =
    ["demo.promlabs.com:10000", "demo.promlabs.com:10001", "demo.promlabs.com:10002"];

/// The kinds of values.
#[derive(Clone, Copy)]
enum Kind {
    Gauge(f64),
    Constant(f64),
    /// With resets.
    Counter(f64),
    /// A time that changes now and then.
    Time,
    /// A gauge that is absent at times.
    Intermittent,
}

pub fn series(seed: u64) -> Memory {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut memory = Memory::default();
    for instance in INSTANCES {
        let mut add = |name: &str, extra: &[(&str, &str)], kind| {
            let fixed = [("__name__", name), ("instance", instance), ("job", "demo")];
            let labels = Labels::new(fixed.iter().chain(extra).copied());
            add_samples(&mut memory, &labels, kind, &mut random);
        };
        add("demo_num_cpus", &[], Kind::Constant(4.0));
        for kind in ["buffers", "cached", "free", "used"] {
            add("demo_memory_usage_bytes", &[("type", kind)], Kind::Gauge(4e9));
        }
        for mode in ["idle", "system", "user"] {
            add("demo_cpu_usage_seconds_total", &[("mode", mode)], Kind::Counter(10.0));
        }
        add("demo_disk_usage_bytes", &[], Kind::Gauge(1e8));
        add("demo_batch_last_success_timestamp_seconds", &[], Kind::Time);
        add("demo_intermittent_metric", &[], Kind::Intermittent);
        for path in ["/api/bar", "/api/foo"] {
            for method in ["GET", "POST"] {
                let name = "demo_api_request_duration_seconds_bucket";
                let labels = [("method", method), ("path", path)];
                add_buckets(&mut memory, name, instance, &labels, &mut random);
            }
        }
    }
    memory
}

/// The moments of the samples of a series: about one an interval, never at [`QUERY_MS`].
fn moments(random: &mut SmallRng) -> Vec<i64> {
    let offset = random.random_range(0..INTERVAL_MS);
    let count = LENGTH_MS / INTERVAL_MS;
    let moments = (0..count).map(|index| START_MS + index * INTERVAL_MS + offset);
    moments.map(|at_ms| if at_ms % 1000 == QUERY_MS { at_ms + 1 } else { at_ms }).collect()
}

fn add_samples(memory: &mut Memory, labels: &Labels, kind: Kind, random: &mut SmallRng) {
    let mut value: f64 = match kind {
        Kind::Counter(_) => random.random_range(0.0..1000.0),
        _ => 0.0,
    };
    for at_ms in moments(random) {
        value = match kind {
            Kind::Gauge(most) => (random.random::<f64>() * most).round(),
            Kind::Constant(constant) => constant,
            Kind::Counter(_) if random.random_bool(0.005) => 0.0,
            Kind::Counter(most) => value + random.random_range(0.0..most),
            Kind::Time if value == 0.0 || random.random_bool(0.1) => (at_ms / 1000) as f64,
            Kind::Time => value,
            Kind::Intermittent => random.random_range(0.0..1.0),
        };
        let is_absent = matches!(kind, Kind::Intermittent) && (at_ms / 600_000) % 2 == 1;
        if !is_absent {
            memory.add(labels, at_ms, value);
        }
    }
}

/// Counters that rise from bucket to bucket.
fn add_buckets(
    memory: &mut Memory,
    name: &str,
    instance: &str,
    extra: &[(&str, &str)],
    random: &mut SmallRng,
) {
    let bounds = ["0.1", "0.5", "1", "5", "+Inf"];
    let mut counts = [0.0; 5];
    for at_ms in moments(random) {
        let mut sum = 0.0;
        for (count, bound) in counts.iter_mut().zip(bounds) {
            sum += f64::from(random.random_range(0..20_u32));
            *count += sum;
            let fixed =
                [("__name__", name), ("instance", instance), ("job", "demo"), ("le", bound)];
            let labels = Labels::new(fixed.iter().chain(extra).copied());
            memory.add(&labels, at_ms, *count);
        }
    }
}
