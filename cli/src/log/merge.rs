//! All files as one stream, in the order of time. Each file is read and parsed by a thread of its own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::vec::IntoIter;

use super::field::{Line, Skip};
use super::known::{Format, Refusal};
use super::lines::{Blocks, Counting, Progress, lines, unpacked};
use super::order::Order;
use crate::output::printable;

/// Where a log is read from.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
}

impl Input {
    /// `-` is the standard input.
    pub(crate) fn of(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path) }
    }

    /// Its name for people.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".into(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Its size on the disk; `None` if nobody knows.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Self::Stdin => None,
            Self::File(path) => {
                path.metadata().ok().filter(std::fs::Metadata::is_file).map(|data| data.len())
            }
        }
    }

    fn open(&self, progress: Progress) -> io::Result<Blocks> {
        let file = match self {
            Self::Stdin => unpacked(Counting { inner: io::stdin(), progress })?,
            Self::File(path) => unpacked(Counting { inner: File::open(path)?, progress })?,
        };
        Ok(Blocks::new(file))
    }
}

/// What came of one file.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileReport {
    pub(crate) name: String,
    /// The format that was found; `None` if there was no line.
    pub(crate) format: Option<Format>,
    pub(crate) lines: u64,
    /// How many lines were skipped, by reason as in [`Skip::ALL`].
    pub(crate) skipped: [u64; Skip::ALL.len()],
    /// The first line that is not of the format: its number, and how it begins.
    pub(crate) first_unreadable: Option<(u64, String)>,
    /// Requests that were judged after their time, since their lines came too late.
    pub(crate) late: u64,
    /// Why the file could not be read to its end.
    pub(crate) broken: Option<String>,
}

enum Message<T> {
    Batch(Vec<(u64, T)>),
    End(Box<FileReport>),
    Refused(Refusal),
}

/// Requests of several files, in the order in which they began.
pub(crate) struct Followed<T> {
    files: Vec<Receiver<Message<T>>>,
    batches: Vec<IntoIter<(u64, T)>>,
    /// The next request of each file that has one.
    next: BinaryHeap<Reverse<(u64, usize)>>,
    heads: Vec<Option<(u64, T)>>,
    /// What came of the files that are read to their end.
    pub(crate) reports: Vec<FileReport>,
    /// How many bytes are read.
    pub(crate) progress: Arc<AtomicU64>,
    refused: Option<Refusal>,
}

/// How lines are to be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct HowToRead {
    /// The format, if it is not to be recognised.
    pub(crate) format: Option<Format>,
    /// The field by which users are told apart, if the format has another than that which is known.
    pub(crate) credential: Option<String>,
}

/// Reads all of these. Each line becomes what `convert` makes of it, its number and its file's place.
pub(crate) fn follow<T, F>(inputs: &[Input], how: &HowToRead, convert: F) -> Followed<T>
where
    T: Send + 'static,
    F: Fn(&Format, Line, u64, usize) -> T + Clone + Send + 'static,
{
    let progress = Progress::default();
    let mut files = Vec::new();
    for (place, input) in inputs.iter().enumerate() {
        let (sender, receiver) = sync_channel(2);
        files.push(receiver);
        let (input, how, progress, convert) = (input.clone(), how.clone(), progress.clone(), convert.clone());
        let work = move || {
            let last = match read(&input, &how, progress, &sender, |format, line, number| {
                convert(format, line, number, place)
            }) {
                Ok(report) => Message::End(Box::new(report)),
                Err(refusal) => Message::Refused(format!("{}: {refusal}", input.name())),
            };
            // Nobody may be listening any more.
            let _ = sender.send(last);
        };
        // Without its thread, the file is one that could not be read: the channel says so.
        let _ = thread::Builder::new().name("log".into()).spawn(work);
    }
    let count = files.len();
    let mut followed = Followed {
        files,
        batches: (0..count).map(|_| Vec::new().into_iter()).collect(),
        next: BinaryHeap::new(),
        heads: (0..count).map(|_| None).collect(),
        reports: Vec::new(),
        progress,
        refused: None,
    };
    for file in 0..count {
        followed.advance(file);
    }
    followed
}

impl<T> Followed<T> {
    /// How many bytes are read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// The next request, with the time at which it began; `None` at the end.
    ///
    /// # Errors
    /// If a file cannot be read at all.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, T)>, Refusal> {
        if let Some(refusal) = self.refused.take() {
            return Err(refusal);
        }
        let Some(Reverse((_, file))) = self.next.pop() else { return Ok(None) };
        let item = self.heads[file].take();
        self.advance(file);
        Ok(item)
    }

    /// Makes the next request of a file its head.
    fn advance(&mut self, file: usize) {
        loop {
            if let Some((time, item)) = self.batches[file].next() {
                self.next.push(Reverse((time, file)));
                self.heads[file] = Some((time, item));
                return;
            }
            match self.files[file].recv() {
                Ok(Message::Batch(batch)) => self.batches[file] = batch.into_iter(),
                Ok(Message::End(report)) => {
                    self.reports.push(*report);
                    return;
                }
                Ok(Message::Refused(refusal)) => {
                    self.refused = Some(refusal);
                    return;
                }
                // Its thread is gone: only a fault of ours can be why.
                Err(_) => {
                    self.refused = Some("a log could not be read".into());
                    return;
                }
            }
        }
    }
}

/// So many lines show which format it is.
const SAMPLE: usize = 200;

fn read<T>(
    input: &Input,
    how: &HowToRead,
    progress: Progress,
    sender: &SyncSender<Message<T>>,
    convert: impl Fn(&Format, Line, u64) -> T,
) -> Result<FileReport, Refusal> {
    let mut blocks = input.open(progress).map_err(|error| error.to_string())?;
    let mut report = FileReport { name: input.name(), format: how.format.clone(), ..FileReport::default() };
    let mut order = Order::new();
    let skipped = |report: &mut FileReport, skip: Skip, count| report.skipped[skip as usize] += count;
    let mut batch = Vec::new();
    while let Some(block) = blocks.next() {
        if report.format.is_none() {
            let sample: Vec<&[u8]> = lines(block).filter(|line| !line.is_empty()).take(SAMPLE).collect();
            if !sample.is_empty() {
                report.format = Some(Format::of(&sample, how.credential.as_deref())?);
            }
        }
        let Some(format) = report.format.clone() else { continue };
        for line in lines(block) {
            report.lines += 1;
            if line.is_empty() {
                continue;
            }
            match format.read(line) {
                Ok(read) => {
                    let (start, end) = (read.start, read.end);
                    if !order.put(start, end, convert(&format, read, report.lines)) {
                        skipped(&mut report, Skip::OutOfOrder, 1);
                    }
                }
                Err(skip) => {
                    if skip == Skip::Unreadable && report.first_unreadable.is_none() {
                        report.first_unreadable = Some((report.lines, printable(line, 100)));
                    }
                    skipped(&mut report, skip, 1);
                }
            }
        }
        batch.extend(std::iter::from_fn(|| order.next(false)));
        if !batch.is_empty() && sender.send(Message::Batch(std::mem::take(&mut batch))).is_err() {
            break;
        }
    }
    skipped(&mut report, Skip::TooLong, blocks.too_long);
    report.broken = blocks.broken.as_ref().map(ToString::to_string);
    batch.extend(std::iter::from_fn(|| order.next(true)));
    report.late = order.late;
    let _ = sender.send(Message::Batch(batch));
    Ok(report)
}
