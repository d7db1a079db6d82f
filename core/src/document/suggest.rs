//! The nearest known word, for "did you mean".

/// The known word nearest to `given`, if it is near enough to be meant.
pub(crate) fn nearest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let folded: Vec<char> = given.chars().take(64).map(fold).collect();
    let reach = (folded.len() / 3).max(1);
    known
        .iter()
        .map(|word| (distance(&folded, &word.chars().map(fold).collect::<Vec<_>>()), *word))
        .filter(|(distance, word)| *distance <= reach || (folded.len() >= 4 && word.starts_with(given)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// A known word that differs from `given` by one typing slip or two.
pub(crate) fn misspelt<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let folded: Vec<char> = given.chars().take(64).map(fold).collect();
    let near = |word: &str| distance(&folded, &word.chars().map(fold).collect::<Vec<_>>());
    known.iter().copied().find(|word| *word != given && near(word) <= (folded.len() / 3).min(2))
}

/// Differences in case and between hyphen and underscore don't count.
fn fold(c: char) -> char {
    if c == '-' { '_' } else { c.to_ascii_lowercase() }
}

/// Edit distance in which two swapped neighbours count as one edit (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                best = best.min(before[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
