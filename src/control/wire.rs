//! Lines on a socket, none longer than it may be.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// One line, or why there is none.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// A line without its end.
    Line(Vec<u8>),
    /// More than the limit without an end of line. What follows on the connection means nothing.
    TooLong,
    /// The other side has gone; a line it did not finish is dropped.
    End,
}

/// Reads one line of at most `limit` bytes.
pub(super) async fn next(from: &mut (impl AsyncBufRead + Unpin), limit: usize) -> io::Result<Next> {
    let mut line = Vec::new();
    // One more than the line may have: its end.
    from.take(limit as u64 + 1).read_until(b'\n', &mut line).await?;
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r');
        return Ok(Next::Line(line));
    }
    Ok(if line.len() > limit { Next::TooLong } else { Next::End })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_bounded() {
        let text: &[u8] = b"one\n\ntwo\r\n12345\n123456\n";
        let mut from = tokio::io::BufReader::with_capacity(2, text);
        for line in ["one", "", "two", "12345"] {
            assert_eq!(next(&mut from, 5).await.unwrap(), Next::Line(line.into()));
        }
        assert_eq!(next(&mut from, 5).await.unwrap(), Next::TooLong);
    }

    #[tokio::test]
    async fn an_unfinished_line_is_no_line() {
        let mut from: &[u8] = b"{\"id\":1";
        assert_eq!(next(&mut from, 100).await.unwrap(), Next::End);
        assert_eq!(next(&mut from, 100).await.unwrap(), Next::End);
    }
}
