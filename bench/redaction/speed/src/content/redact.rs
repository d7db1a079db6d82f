//! The detectors of today.

#[path = "../../../../../core/src/content/redact/detect/mod.rs"]
mod detect;
#[path = "../../../../../core/src/content/redact/shadow.rs"]
mod shadow;

pub(crate) fn count(text: &str) -> usize {
    let shadow = shadow::Shadow::of(text);
    let mut finds = Vec::new();
    detect::find_all(&shadow, detect::Enabled::ALL, &mut finds);
    finds.len()
}

/// With one detector alone; none where the name is not one's, which is what reading the text costs them all.
pub(crate) fn count_one(text: &str, name: &str) -> usize {
    let shadow = shadow::Shadow::of(text);
    let mut finds = Vec::new();
    let one = detect::Enabled::NONE.with(name).unwrap_or(detect::Enabled::NONE);
    detect::find_all(&shadow, one, &mut finds);
    finds.len()
}
