//! Java stack traces, as Maven and Gradle print them.

/// The place of the first frame that is in the project of `class`: of the same package or of one
/// beside it. The path is of the form `com/example/UserTest.java`: where its source folder is, the
/// trace does not tell.
pub(super) fn place<'a>(
    lines: impl IntoIterator<Item = &'a str>,
    class: &str,
) -> Option<(String, u32)> {
    let dots = class.match_indices('.').map(|(at, _)| at);
    let root = &class[..dots.take(2).last().unwrap_or(class.len())];
    lines.into_iter().find_map(|line| {
        let (method, source) = line.trim().strip_prefix("at ")?.split_once('(')?;
        // `java.base/` and `app//` name the module and the class loader.
        let method = method.rsplit('/').next()?;
        let (file, line) = source.strip_suffix(')')?.split_once(':')?;
        let (found, _) = method.rsplit_once('.').filter(|_| is_plain(file))?;
        let (package, simple) = found.rsplit_once('.').unwrap_or(("", found));
        let is_own = if root.contains('.') {
            method
                .strip_prefix(root)
                .is_some_and(|rest| rest.starts_with(['.', '$']))
        } else {
            // Newer versions of Gradle name classes without their packages.
            simple.split('$').next() == class.split('$').next()
        };
        let folder = Some(package.replace('.', "/")).filter(|_| is_own)?;
        let path = if folder.is_empty() {
            file.to_owned()
        } else {
            format!("{folder}/{file}")
        };
        Some((path, line.parse().ok()?))
    })
}

fn is_plain(file: &str) -> bool {
    !file.is_empty() && !file.contains(['/', '<'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_of_the_project_is_the_place() {
        let trace = [
            "java.lang.IllegalStateException: at home (x)",
            "\tat org.junit.Assert.fail(Assert.java:89)",
            "\tat java.base/java.lang.Thread.sleep(Native Method)",
            "\tat app//com.example.db.Pool$1.get(Pool.java:7)",
            "\tat com.example.UserTest.token(UserTest.java:10)",
        ];
        let wanted = Some(("com/example/db/Pool.java".to_owned(), 7));
        assert_eq!(place(trace, "com.example.UserTest"), wanted);
        assert_eq!(place(trace, "net.example.UserTest"), None);
        let wanted = Some(("com/example/UserTest.java".to_owned(), 10));
        assert_eq!(place(trace, "UserTest"), wanted);
        assert_eq!(
            place(["\tat UserTest.a(UserTest.java:3)"], "UserTest")
                .unwrap()
                .1,
            3
        );
    }
}
