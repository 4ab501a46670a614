use std::path::{Path, PathBuf};

/// The top folder of the repository.
///
/// # Panics
/// Never: the tests' crate lies directly below it.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// All files below a folder of the repository whose name ends so, with their text.
///
/// # Panics
/// A file cannot be read.
#[must_use]
pub fn files(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = std::fs::read_to_string(&path).expect("UTF-8 text");
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}
