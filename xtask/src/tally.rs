//! Counting passed and failed tests in what test programs print.

/// How many tests passed and failed.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were not run.
    pub ignored: u64,
    /// The names of those that failed.
    pub names: Vec<String>,
}

impl Tally {
    /// Takes in one line of a test program's output: of cargo's, or the `Tests  1 failed | 3 passed (4)` of
    /// vitest.
    pub fn line(&mut self, line: &str) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.passed += count(rest, "passed");
            self.failed += count(rest, "failed");
            self.ignored += count(rest, "ignored");
        } else if let Some(name) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED")) {
            self.names.push(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("Tests ") {
            let parts = rest.split(['|', '(']).map(str::trim);
            for (n, what) in parts.filter_map(|part| part.split_once(' ')) {
                let n = n.parse().unwrap_or(0);
                match what {
                    "passed" => self.passed += n,
                    "failed" => self.failed += n,
                    "skipped" | "todo" => self.ignored += n,
                    _ => {}
                }
            }
        }
    }

    /// One check that is no test program's.
    pub fn check(name: &str, passed: bool) -> Tally {
        match passed {
            true => Tally { passed: 1, ..Tally::default() },
            false => Tally { failed: 1, names: vec![name.to_owned()], ..Tally::default() },
        }
    }

    /// A test command as a whole: one that fails without a failed test (it did not compile, it was
    /// killed) counts as a failure, and so does one that succeeds without any test.
    pub fn of_command(mut self, succeeded: bool) -> Tally {
        let trouble = match (succeeded, self.failed, self.passed) {
            (false, 0, _) => "the command failed outside of its tests; see its output",
            (true, 0, 0) => "no test was run: that proves nothing",
            _ => return self,
        };
        self.failed += 1;
        self.names.push(trouble.to_owned());
        self
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.names.extend(other.names.iter().cloned());
    }
}

/// The number before `what` in `ok. 3 passed; 0 failed; …`.
fn count(line: &str, what: &str) -> u64 {
    line.split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(what))
        .find_map(|n| n.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up() {
        let mut t = Tally::default();
        for line in [
            "running 3 tests",
            "test ranges::tests::a ... ok",
            "test ranges::tests::b ... FAILED",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: ok. 10 passed; 0 failed; 4 ignored; 0 measured; 0 filtered out; finished in 1.25s\r",
        ] {
            t.line(line);
        }
        assert_eq!(t, Tally { passed: 12, failed: 1, ignored: 4, names: vec!["ranges::tests::b".into()] });
    }

    #[test]
    fn vitest_is_counted_too() {
        let mut t = Tally::default();
        for line in [
            " Test Files  1 failed | 4 passed (5)",
            "      Tests  2 failed | 31 passed | 1 skipped (34)",
            "      Tests  3 passed (3)",
            "Tests of something are running",
        ] {
            t.line(line);
        }
        assert_eq!((t.passed, t.failed, t.ignored), (34, 2, 1));
    }

    #[test]
    fn a_command_that_proves_nothing_fails() {
        assert_eq!(Tally::default().of_command(true).failed, 1);
        assert_eq!(Tally::default().of_command(false).failed, 1);
        let passed = Tally { passed: 3, ..Tally::default() };
        assert_eq!(passed.clone().of_command(true), passed);
        assert_eq!(passed.of_command(false).failed, 1);
        let failed = Tally { passed: 3, failed: 2, ..Tally::default() };
        assert_eq!(failed.clone().of_command(false), failed);
    }
}
