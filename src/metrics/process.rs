//! The standard process metrics of Prometheus client libraries, from /proc.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads /proc at each scrape.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        // /proc exists on Linux only.
        let Ok(process) = Process::read() else { return Ok(()) };
        let cpu = ConstCounter::new(process.cpu_seconds);
        let descriptor = encoder.encode_descriptor(
            "process_cpu_seconds",
            "User and system CPU time",
            None,
            cpu.metric_type(),
        )?;
        cpu.encode(descriptor)?;
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory", process.resident_bytes),
            ("process_virtual_memory_bytes", "Virtual memory", process.virtual_bytes),
            ("process_open_fds", "Open file descriptors", process.open_descriptors),
            ("process_max_fds", "Limit of open file descriptors", process.max_descriptors),
            ("process_threads", "Threads", process.threads),
            (
                "process_start_time_seconds",
                "Start of the process, in unix seconds",
                process.start_seconds,
            ),
        ] {
            let gauge = ConstGauge::new(value);
            let descriptor = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(descriptor)?;
        }
        Ok(())
    }
}

struct Process {
    cpu_seconds: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    open_descriptors: f64,
    max_descriptors: f64,
    threads: f64,
    start_seconds: f64,
}

impl Process {
    fn read() -> procfs::ProcResult<Self> {
        let process = procfs::process::Process::myself()?;
        let stat = process.stat()?;
        let ticks = procfs::ticks_per_second() as f64;
        let max = match process.limits()?.max_open_files.soft_limit {
            procfs::process::LimitValue::Value(limit) => limit as f64,
            procfs::process::LimitValue::Unlimited => f64::INFINITY,
        };
        Ok(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
            resident_bytes: (stat.rss * procfs::page_size()) as f64,
            virtual_bytes: stat.vsize as f64,
            open_descriptors: process.fd_count()? as f64,
            max_descriptors: max,
            threads: stat.num_threads as f64,
            start_seconds: procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks,
        })
    }
}
