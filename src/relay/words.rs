//! What the system says, in words for people.

/// What the system or the relay says, as a part of a sentence: without numbers of errors, and without
/// an end of its own.
#[must_use]
pub fn plain(why: &str) -> String {
    let mut words = String::with_capacity(why.len());
    let mut rest = why;
    while let Some((before, number)) = rest.split_once(" (os error ") {
        words.push_str(before);
        rest = number.split_once(')').map_or("", |(_, after)| after);
    }
    words.push_str(rest);
    words.truncate(words.trim_end_matches('.').len());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_becomes_part_of_a_sentence() {
        assert_eq!(
            plain("the folder x cannot be used: Not a directory (os error 20)"),
            "the folder x cannot be used: Not a directory"
        );
        assert_eq!(
            plain("There is a room “a” already."),
            "There is a room “a” already"
        );
        assert_eq!(plain("a (os error 2); b (os error 3)."), "a; b");
    }
}
