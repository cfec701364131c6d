//! What the program and its recogniser process say to each other.
//!
//! One postcard message per `SOCK_SEQPACKET` packet, so a message arrives whole or not at all. Sound does not
//! travel here: it lies in the shared [`super::audio`] memory, and a request names its slot.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use heapless::String;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{self, MsgFlags};
use serde::{Deserialize, Serialize};

use super::audio::Ticket;
use super::policy::Decoding;

/// Longest text of one segment, bytes. A segment is at most 16 s; the fastest speech is some 25 characters a
/// second, and the decoder stops at 224 tokens whatever happens.
pub const TEXT_BYTES_MAX: usize = 2048;

/// Longest packet, bytes: a reply with the longest text, its last tokens (of up to 5 bytes each), its numbers, and
/// postcard's length prefixes.
const PACKET_BYTES_MAX: usize = TEXT_BYTES_MAX + 5 * PROMPT_TOKENS_MAX + 256;

/// The text of one segment.
pub type Text = String<TEXT_BYTES_MAX>;

/// Tokens that a segment is told of the one before it: two or three sentences' ends. Each costs a decoder position; more
/// of them gain nothing that can be seen.
pub const PROMPT_TOKENS_MAX: usize = 32;

/// The last tokens of a text.
pub type Prompt = heapless::Vec<i32, PROMPT_TOKENS_MAX>;

/// How a segment is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Engine {
    /// Oratype's own decoding: audio context cut to the segment, guarded, a wider one when a guard trips.
    Product(Decoding),
    /// whisper.cpp's own decoding of the padded 30 s window (beam search of five), for comparison.
    FullContext,
}

impl Engine {
    /// The same at another quality, one of the settings' words; see [`Decoding::at_quality`].
    #[must_use]
    pub fn at_quality(self, quality: &str) -> Self {
        match self {
            Self::Product(decoding) => Self::Product(decoding.at_quality(quality)),
            Self::FullContext => self,
        }
    }
}

/// From the program to the recogniser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Slot of the shared memory the segment lies in.
    pub slot: u32,
    /// Its length, samples of 16 kHz mono.
    pub samples: u32,
    /// Where in it the last word ends, as far as the speech detector can tell, samples.
    pub speech_end: u32,
    /// How to go about it.
    pub engine: Engine,
    /// Where it is recognised early: the mark by which it may be withdrawn meanwhile.
    pub ticket: Option<Ticket>,
    /// How the text before it ends, where it goes on with one.
    pub prompt: Prompt,
}

/// From the recogniser to the program.
#[expect(clippy::large_enum_variant, reason = "nearly every reply is a transcript; none is stored")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The model is loaded and warm.
    Ready {
        /// Reading, checking and unpacking the model.
        load: Duration,
        /// The first, throw-away recognition.
        warm_up: Duration,
    },
    /// The recogniser cannot start; what is wrong and what to do, in one line.
    Unusable(String<512>),
    /// The segment's text.
    Transcript(Transcript),
    /// whisper.cpp reported an error for this segment.
    Failed,
}

/// What was recognised, and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The words as the model wrote them.
    pub text: Text,
    /// How it ends, for the segment after it.
    pub prompt: Prompt,
    /// Mean natural log-probability of the tokens; 0 when there are none.
    pub mean_logprob: f32,
    /// The model's own probability that nobody speaks.
    pub no_speech_prob: f32,
    /// Encoder positions used in the attempt that gave the text (50 per second; 1500 is the full context).
    pub audio_ctx: u32,
    /// Attempts thrown away before it.
    pub retries: u32,
    /// The text is doubtful even at the last attempt that there was time for, or may be cut short.
    pub suspect: bool,
    /// Withdrawn before it was done: there is no text.
    pub withdrawn: bool,
    /// Mel spectrogram and encoder, all attempts.
    pub encode: Duration,
    /// Decoder, all attempts.
    pub decode: Duration,
    /// Processor time of the recogniser for this segment, all threads.
    pub cpu: Duration,
}

/// Why no message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The other side is gone. Start it again.
    #[error("the other process is gone")]
    Closed,
    /// Nothing came in time. The other side may hang.
    #[error("no answer in time")]
    Timeout,
    /// What came is no message of this protocol. Start the other side again.
    #[error("malformed message")]
    Malformed,
    /// The socket failed. Start the other side again.
    #[error("socket: {0}")]
    Socket(Errno),
}

/// One end of the connection.
pub struct Link(OwnedFd);

impl Link {
    /// A connected pair: the program's end, and the recogniser's.
    pub fn pair() -> Result<(Self, OwnedFd), LinkError> {
        use socket::{AddressFamily, SockFlag, SockType};
        let (ours, theirs) =
            socket::socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .map_err(LinkError::Socket)?;
        Ok((Self(ours), theirs))
    }

    /// The recogniser's end, as it was handed over.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Send one message; it fits the socket's buffer, so this does not wait.
    pub fn send<M: Serialize>(&self, message: &M) -> Result<(), LinkError> {
        let mut buffer = [0; PACKET_BYTES_MAX];
        let packet = postcard::to_slice(message, &mut buffer).map_err(|_| LinkError::Malformed)?;
        loop {
            match socket::send(self.raw(), packet, MsgFlags::MSG_NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(LinkError::Closed),
                Err(errno) => return Err(LinkError::Socket(errno)),
            }
        }
    }

    /// Receive one message, waiting at most `timeout` (`None`: for ever).
    pub fn receive<M: for<'a> Deserialize<'a>>(&self, timeout: Option<Duration>) -> Result<M, LinkError> {
        wait_readable(self.0.as_fd(), timeout)?;
        let mut buffer = [0; PACKET_BYTES_MAX];
        loop {
            match socket::recv(self.raw(), &mut buffer, MsgFlags::empty()) {
                Ok(0) | Err(Errno::ECONNRESET) => return Err(LinkError::Closed),
                Ok(length) => {
                    return postcard::from_bytes(&buffer[..length]).map_err(|_| LinkError::Malformed);
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(LinkError::Socket(errno)),
            }
        }
    }

    /// Hand over a file descriptor.
    pub fn send_fd(&self, fd: BorrowedFd) -> Result<(), LinkError> {
        use std::os::fd::AsRawFd;
        let fds = [fd.as_raw_fd()];
        let payload = [std::io::IoSlice::new(b"f")];
        let control = [socket::ControlMessage::ScmRights(&fds)];
        socket::sendmsg::<()>(self.raw(), &payload, &control, MsgFlags::MSG_NOSIGNAL, None)
            .map(drop)
            .map_err(LinkError::Socket)
    }

    /// Take over the file descriptor that [`send_fd`](Self::send_fd) sent.
    pub fn receive_fd(&self) -> Result<OwnedFd, LinkError> {
        use std::os::fd::{FromRawFd, RawFd};
        let mut payload = [0; 1];
        let mut space = nix::cmsg_space!(RawFd);
        let mut slices = [std::io::IoSliceMut::new(&mut payload)];
        let message =
            socket::recvmsg::<()>(self.raw(), &mut slices, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)
                .map_err(LinkError::Socket)?;
        for control in message.cmsgs().map_err(|_| LinkError::Malformed)? {
            if let socket::ControlMessageOwned::ScmRights(fds) = control
                && let [fd] = fds[..]
            {
                // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
                return Ok(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        Err(LinkError::Closed)
    }

    fn raw(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsRawFd;
        self.0.as_raw_fd()
    }
}

fn wait_readable(fd: BorrowedFd, timeout: Option<Duration>) -> Result<(), LinkError> {
    let deadline = timeout.map(|t| std::time::Instant::now() + t);
    loop {
        let left = match deadline {
            None => PollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(std::time::Instant::now());
                // Rounded up, so that the last millisecond is not spent spinning.
                PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
            }
        };
        match nix::poll::poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], left) {
            Ok(0) => return Err(LinkError::Timeout),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(LinkError::Socket(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn longest_message_fits_a_packet() {
        let text: Text = "w".repeat(TEXT_BYTES_MAX).as_str().try_into().unwrap();
        let transcript = Transcript {
            text,
            prompt: [i32::MAX; PROMPT_TOKENS_MAX].into(),
            audio_ctx: u32::MAX,
            retries: u32::MAX,
            encode: Duration::MAX,
            decode: Duration::MAX,
            cpu: Duration::MAX,
            ..Transcript::default()
        };
        let (ours, theirs) = Link::pair().unwrap();
        let reply = Reply::Transcript(transcript);
        Link::from_fd(theirs).send(&reply).unwrap();
        assert_eq!(ours.receive::<Reply>(None), Ok(reply));
    }

    #[test]
    fn silence_is_a_timeout_and_a_closed_end_is_noticed() {
        let (ours, theirs) = Link::pair().unwrap();
        assert_eq!(ours.receive::<Reply>(Some(Duration::ZERO)), Err(LinkError::Timeout));
        drop(theirs);
        assert_eq!(ours.receive::<Reply>(None), Err(LinkError::Closed));
        assert_eq!(ours.send(&Reply::Failed), Err(LinkError::Closed));
    }

    #[test]
    fn a_descriptor_is_handed_over() {
        let (ours, theirs) = Link::pair().unwrap();
        let (inner, other) = Link::pair().unwrap();
        ours.send_fd(other.as_fd()).unwrap();
        drop(other);
        let received = Link::from_fd(Link::from_fd(theirs).receive_fd().unwrap());
        received.send(&Reply::Failed).unwrap();
        assert_eq!(inner.receive::<Reply>(None), Ok(Reply::Failed));
    }

    proptest! {
        #[test]
        fn any_packet_is_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
            let (ours, theirs) = Link::pair().unwrap();
            use std::os::fd::AsRawFd;
            socket::send(theirs.as_raw_fd(), &bytes, MsgFlags::empty()).unwrap();
            let received = ours.receive::<Reply>(None);
            prop_assert!(matches!(received, Ok(_) | Err(LinkError::Malformed)));
        }
    }
}
