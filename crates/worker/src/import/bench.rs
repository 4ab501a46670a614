/// Filled in below.
pub struct ImportBench;
pub fn bench_import() {}
