//! Downloads over HTTP that survive an interruption.
//!
//! What has arrived is kept as `NAME.part` beside the final file and the next try asks for the
//! rest only. The file gets its name when its hash is right.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use ureq::http::{StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, http::Response};

use super::error::Error;
use super::pinned::Pinned;
use super::progress::Progress;
use super::store::{Store, check, hash_file};

/// Short, so that a machine without the whole internet goes on to the other source quickly.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that sends nothing for so long has gone away.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// Broken connections mended within one run before the user is asked to run again.
const RESUMES_MAX: u32 = 3;
const BUFFER_BYTES: usize = 64 * 1024;

/// An HTTP client.
pub struct Client {
    agent: Agent,
}

impl Client {
    /// With the system's certificates, and with the proxy that the environment names
    /// (HTTPS_PROXY, ALL_PROXY, NO_PROXY).
    pub fn new() -> Self {
        Self { agent: config().build().new_agent() }
    }

    /// Without a proxy, whatever the environment says.
    pub fn direct() -> Self {
        Self { agent: config().proxy(None).build().new_agent() }
    }

    /// Downloads `url` as `file` into `store`.
    ///
    /// After an [`Error::Network`] the part that arrived is kept for the next call; after
    /// [`Error::WrongContents`] nothing is. If a kept part turns out to be bad, the download
    /// starts over once.
    pub fn download(
        &self,
        url: &str,
        file: &Pinned,
        store: &Store,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let part = store.part_path(file);
        let resumed = size_of_file(&part)? > 0;
        let mut result = self.download_part(url, file, &part, progress);
        if resumed && matches!(result, Err(Error::WrongContents { .. })) {
            result = self.download_part(url, file, &part, progress);
        }
        result?;
        store.publish(&part, file)
    }

    /// Completes `part` and checks it; a bad one is removed.
    fn download_part(
        &self,
        url: &str,
        file: &Pinned,
        part: &Path,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        let mut resumes = 0;
        while let Err(error) = self.transfer(url, file, part, progress) {
            let interrupted = matches!(error, Transfer::Interrupted(_));
            if !interrupted || resumes == RESUMES_MAX {
                return Err(error.into());
            }
            resumes += 1;
        }
        let size_bytes = size_of_file(part)?;
        check(file, url, size_bytes, &hash_file(part)?).inspect_err(|_| {
            // If this fails, the next run finds the same bad part and removes it.
            let _ = fs::remove_file(part);
        })
    }

    /// One request. Appends to `part`, or writes it anew if the server sends everything.
    fn transfer(
        &self,
        url: &str,
        file: &Pinned,
        part: &Path,
        progress: &mut Progress,
    ) -> Result<(), Transfer> {
        let mut have_bytes = size_of_file(part)?;
        if have_bytes >= file.size_bytes {
            // Complete or too long: the hash decides.
            return Ok(());
        }
        let network = |reason: String| Error::Network { url: url.to_owned(), reason };
        let mut request = self.agent.get(url);
        if have_bytes > 0 {
            request = request.header(header::RANGE, format!("bytes={have_bytes}-"));
        }
        let response = request.call().map_err(|e| network(e.to_string()))?;
        let mut out = OpenOptions::new();
        match response.status() {
            StatusCode::OK => {
                have_bytes = 0;
                out.write(true).create(true).truncate(true)
            }
            StatusCode::PARTIAL_CONTENT if starts_at(&response, have_bytes) => out.append(true),
            // The server has something else at that place: start over without the part.
            status @ (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE) if have_bytes > 0 => {
                fs::remove_file(part).map_err(Error::disk(part))?;
                let reason = format!("the server does not continue at byte {have_bytes} ({status})");
                return Err(Transfer::Interrupted(network(reason)));
            }
            status => return Err(network(format!("the server answered {status}")).into()),
        };
        let rest_bytes = file.size_bytes - have_bytes;
        if let Some(length) = response.body().content_length().filter(|&length| length != rest_bytes) {
            // A login page of the local network, or another version of the file. There may be no
            // part yet; a bad one that stays is found by its hash.
            let _ = fs::remove_file(part);
            let found = format!("{} bytes", have_bytes.saturating_add(length));
            let expected = format!("{} bytes", file.size_bytes);
            return Err(Error::WrongContents { name: url.to_owned(), found, expected }.into());
        }

        let mut out = out.open(part).map_err(Error::disk(part))?;
        let mut body = response.into_body().into_reader().take(rest_bytes);
        let mut buffer = vec![0; BUFFER_BYTES];
        let start_bytes = have_bytes;
        while have_bytes < file.size_bytes {
            progress.set(have_bytes);
            let reason = match body.read(&mut buffer) {
                Ok(0) => "the connection ended early".to_owned(),
                Ok(n) => {
                    out.write_all(&buffer[..n]).map_err(Error::disk(part))?;
                    have_bytes += n as u64;
                    continue;
                }
                Err(e) => e.to_string(),
            };
            let arrived = have_bytes > start_bytes;
            return Err(if arrived {
                Transfer::Interrupted(network(reason))
            } else {
                network(reason).into()
            });
        }
        progress.set(have_bytes);
        Ok(())
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a transfer ended early.
enum Transfer {
    /// The next request will be another one, because more is there or the part is gone: worth
    /// going on at once.
    Interrupted(Error),
    /// Trying again at once would not help.
    Failed(Error),
}

impl From<Error> for Transfer {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Transfer> for Error {
    fn from(transfer: Transfer) -> Self {
        match transfer {
            Transfer::Interrupted(error) | Transfer::Failed(error) => error,
        }
    }
}

fn config() -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(SILENCE_TIMEOUT))
        .timeout_per_read(Some(SILENCE_TIMEOUT))
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
}

/// Whether a 206 answer begins at `offset_bytes`.
fn starts_at(response: &Response<Body>, offset_bytes: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {offset_bytes}-")))
}

/// 0 if there is none.
fn size_of_file(path: &Path) -> Result<u64, Error> {
    match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) => Ok(metadata.len()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(Error::disk(path)(e)),
    }
}
