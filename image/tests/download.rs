//! Downloads against a small HTTP server on the loopback interface that misbehaves on demand.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread::{self, JoinHandle};

use oratype_image::model::download::Client;
use oratype_image::model::error::Error;
use oratype_image::model::pinned::Pinned;
use oratype_image::model::progress::Progress;
use oratype_image::model::store::Store;
use sha2::{Digest, Sha256};

/// Longer than the client's buffer, so that a transfer takes several reads.
const FILE_BYTES: usize = 300_000;

/// What the server does with one connection.
enum Reply {
    /// 200 and everything.
    Whole(Vec<u8>),
    /// 206 from the byte asked for (200 if none was asked for), closed after so many bytes.
    Range { contents: Vec<u8>, close_after: usize },
    /// 206 that begins somewhere else.
    OtherRange,
    /// A status line and no body.
    Status(&'static str),
    /// 302 to another path of the same server.
    Redirect,
}

/// Serves the replies, one connection each, then stops listening.
struct Server {
    url: String,
    thread: JoinHandle<Vec<Option<usize>>>,
}

impl Server {
    fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let url = format!("http://{}/file.bin", listener.local_addr().expect("it is bound"));
        let thread = thread::spawn(move || {
            let accept = || listener.accept().expect("the client connects").0;
            replies.into_iter().map(|reply| serve(accept(), reply)).collect()
        });
        Self { url, thread }
    }

    /// Where each request wanted to begin; `None` without a Range header. Every reply was used.
    fn offsets(self) -> Vec<Option<usize>> {
        self.thread.join().expect("every reply was sent")
    }
}

fn serve(stream: TcpStream, reply: Reply) -> Option<usize> {
    let mut offset = None;
    for line in BufReader::new(&stream).lines() {
        let line = line.expect("the request is complete").to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            let from = range.strip_suffix('-').and_then(|from| from.parse().ok());
            offset = Some(from.expect("the range is open at the end"));
        }
    }
    let (head, body) = match reply {
        Reply::Whole(contents) => (format!("200 OK\r\nContent-Length: {}", contents.len()), contents),
        Reply::Range { contents, close_after } => {
            let (from, length) = (offset.unwrap_or(0), contents.len());
            let head = match offset {
                Some(_) => format!(
                    "206 Partial Content\r\nContent-Range: bytes {from}-{}/{length}\r\nContent-Length: {}",
                    length - 1,
                    length - from
                ),
                None => format!("200 OK\r\nContent-Length: {length}"),
            };
            let end = length.min(from.saturating_add(close_after));
            (head, contents[from..end].to_vec())
        }
        Reply::OtherRange => {
            ("206 Partial Content\r\nContent-Range: bytes 7-9/10\r\nContent-Length: 3".into(), vec![0; 3])
        }
        Reply::Status(status) => (format!("{status}\r\nContent-Length: 0"), vec![]),
        Reply::Redirect => ("302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0".into(), vec![]),
    };
    // The client may hang up early when it has seen enough.
    let mut stream = &stream;
    let _ = write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(&body);
    offset
}

fn contents() -> Vec<u8> {
    (0..FILE_BYTES).map(|i| (i % 251) as u8).collect()
}

fn wrong_contents() -> Vec<u8> {
    let mut wrong = contents();
    wrong[FILE_BYTES - 1] ^= 1;
    wrong
}

fn pinned() -> Pinned {
    let sha256 = Sha256::digest(contents()).into();
    Pinned { name: "file.bin", size_bytes: FILE_BYTES as u64, sha256 }
}

fn download(url: &str, dir: &Path) -> Result<(), Error> {
    let store = Store::open(dir)?;
    Client::direct().download(url, &pinned(), &store, &mut Progress::hidden())
}

fn put_part(dir: &Path, part: &[u8]) {
    fs::write(dir.join("file.bin.part"), part).expect("the folder is there");
}

/// The file is there and nothing else is.
fn assert_done(dir: &Path) {
    assert!(fs::read(dir.join("file.bin")).expect("the file is there") == contents());
    assert_eq!(names(dir), ["file.bin"]);
}

/// Names in the folder, the lock file left out.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("the folder is there").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| name != ".lock").collect();
    names.sort();
    names
}

#[test]
fn downloads_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Reply::Whole(contents())]);
    download(&server.url, dir.path()).unwrap();
    assert_eq!(server.offsets(), [None]);
    assert_done(dir.path());
}

#[test]
fn a_broken_connection_is_resumed_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![
        Reply::Range { contents: contents(), close_after: 100_000 },
        Reply::Range { contents: contents(), close_after: 50_000 },
        Reply::Range { contents: contents(), close_after: FILE_BYTES },
    ]);
    download(&server.url, dir.path()).unwrap();
    assert_eq!(server.offsets(), [None, Some(100_000), Some(150_000)]);
    assert_done(dir.path());
}

#[test]
fn an_interrupted_run_is_resumed_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![
        Reply::Range { contents: contents(), close_after: 120_000 },
        Reply::Status("503 Service Unavailable"),
    ]);
    let error = download(&server.url, dir.path()).unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(server.offsets(), [None, Some(120_000)]);
    assert_eq!(names(dir.path()), ["file.bin.part"]);

    let server = Server::start(vec![Reply::Range { contents: contents(), close_after: FILE_BYTES }]);
    download(&server.url, dir.path()).unwrap();
    assert_eq!(server.offsets(), [Some(120_000)]);
    assert_done(dir.path());
}

#[test]
fn a_redirect_keeps_the_place() {
    let dir = tempfile::tempdir().unwrap();
    put_part(dir.path(), &contents()[..1_000]);
    let server =
        Server::start(vec![Reply::Redirect, Reply::Range { contents: contents(), close_after: FILE_BYTES }]);
    download(&server.url, dir.path()).unwrap();
    assert_eq!(server.offsets(), [Some(1_000), Some(1_000)]);
    assert_done(dir.path());
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let dir = tempfile::tempdir().unwrap();
    put_part(dir.path(), b"whatever was there");
    let server = Server::start(vec![Reply::Whole(contents())]);
    download(&server.url, dir.path()).unwrap();
    assert_eq!(server.offsets(), [Some(18)]);
    assert_done(dir.path());
}

#[test]
fn wrong_contents_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Reply::Whole(wrong_contents())]);
    let error = download(&server.url, dir.path()).unwrap_err();
    assert!(matches!(error, Error::WrongContents { .. }), "{error}");
    assert_eq!(server.offsets(), [None]);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_page_of_another_length_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![Reply::Whole(b"<html>Please log in</html>".to_vec())]);
    let error = download(&server.url, dir.path()).unwrap_err();
    assert!(matches!(error, Error::WrongContents { .. }), "{error}");
    assert_eq!(server.offsets(), [None]);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_corrupt_part_is_thrown_away_once() {
    let dir = tempfile::tempdir().unwrap();
    put_part(dir.path(), &[0xEE; 1_000]);
    let server = Server::start(vec![
        Reply::Range { contents: contents(), close_after: FILE_BYTES },
        Reply::Range { contents: contents(), close_after: FILE_BYTES },
    ]);
    download(&server.url, dir.path()).unwrap();
    assert_eq!(server.offsets(), [Some(1_000), None]);
    assert_done(dir.path());
}

#[test]
fn a_corrupt_part_and_a_wrong_file_end_in_an_error() {
    let dir = tempfile::tempdir().unwrap();
    put_part(dir.path(), &[0xEE; 1_000]);
    let server = Server::start(vec![
        Reply::Range { contents: wrong_contents(), close_after: FILE_BYTES },
        Reply::Range { contents: wrong_contents(), close_after: FILE_BYTES },
    ]);
    let error = download(&server.url, dir.path()).unwrap_err();
    assert!(matches!(error, Error::WrongContents { .. }), "{error}");
    assert_eq!(server.offsets(), [Some(1_000), None]);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_part_that_is_too_long_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    put_part(dir.path(), &[contents(), contents()].concat());
    let server = Server::start(vec![Reply::Whole(contents())]);
    download(&server.url, dir.path()).unwrap();
    assert_eq!(server.offsets(), [None]);
    assert_done(dir.path());
}

#[test]
fn a_complete_part_needs_no_request() {
    let dir = tempfile::tempdir().unwrap();
    put_part(dir.path(), &contents());
    let server = Server::start(vec![]);
    download(&server.url, dir.path()).unwrap();
    assert_eq!(server.offsets(), []);
    assert_done(dir.path());
}

#[test]
fn a_server_that_cannot_continue_is_asked_for_everything() {
    for refusal in [Reply::Status("416 Range Not Satisfiable"), Reply::OtherRange] {
        let dir = tempfile::tempdir().unwrap();
        put_part(dir.path(), &contents()[..1_000]);
        let server = Server::start(vec![refusal, Reply::Whole(contents())]);
        download(&server.url, dir.path()).unwrap();
        assert_eq!(server.offsets(), [Some(1_000), None]);
        assert_done(dir.path());
    }
}

#[test]
fn a_server_that_refuses_or_is_away_keeps_the_part() {
    let dir = tempfile::tempdir().unwrap();
    put_part(dir.path(), &contents()[..1_000]);
    let server = Server::start(vec![Reply::Status("404 Not Found")]);
    let url = server.url.clone();
    let error = download(&url, dir.path()).unwrap_err();
    assert!(error.to_string().contains("404") && error.to_string().contains(&url), "{error}");
    server.offsets();

    // The server is gone now: nothing listens on its port.
    let error = download(&url, dir.path()).unwrap_err();
    assert!(matches!(error, Error::Network { .. }), "{error}");
    assert_eq!(names(dir.path()), ["file.bin.part"]);
}
