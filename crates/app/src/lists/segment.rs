//! A rendered list: ordered segments that are shared, and how they are filled.

use std::sync::Arc;

use bytes::Bytes;
use labelwire_domain::label::Label;

/// Bytes a segment aims at: large enough to be sent in few writes, small enough
/// to be rendered anew for one change.
pub(super) const SEGMENT_BYTES: usize = 48 * 1024;

/// How a dialect writes one chat. The pieces of an answer are joined by commas.
pub trait Render: Send + Sync {
    /// A name that tells this rendering from others.
    fn name(&self) -> &'static str;
    /// Appends one chat with its live labels, ordered by id.
    fn chat(&self, chat: &str, labels: &[&Label], out: &mut Vec<u8>);
}

/// An answer: pieces of text to send in order, and what they hold.
#[derive(Debug, Clone, Default)]
pub struct ChatList {
    pub(super) segments: Vec<Arc<Segment>>,
    /// Chats in it.
    pub chats: u64,
    /// Pairs of chat and label in it.
    pub rows: u64,
    /// Bytes of all pieces, commas between them included.
    pub bytes: u64,
}

#[derive(Debug)]
pub(super) struct Segment {
    /// `,chat,chat,…`: every chat behind a comma, so that segments join as they are.
    pub(super) body: Bytes,
    pub(super) entries: Box<[Entry]>,
    /// The chats' shown names, one after the other.
    names: Box<str>,
    pub(super) rows: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    body_end: u32,
    name_end: u32,
    pub(super) labels: u32,
}

impl ChatList {
    /// The pieces, in order; the first without its comma.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> + '_ {
        self.segments.iter().enumerate().map(|(i, s)| {
            if i == 0 {
                s.body.slice(1..)
            } else {
                s.body.clone()
            }
        })
    }

    pub(super) fn of(segments: Vec<Arc<Segment>>) -> Self {
        let chats = segments.iter().map(|s| s.entries.len() as u64).sum();
        let rows = segments.iter().map(|s| s.rows).sum();
        let bytes: u64 = segments.iter().map(|s| s.body.len() as u64).sum();
        Self {
            segments,
            chats,
            rows,
            bytes: bytes.saturating_sub(1),
        }
    }

    pub(super) fn weight(&self) -> usize {
        self.segments
            .iter()
            .map(|s| s.body.len() + s.names.len() + s.entries.len() * size_of::<Entry>() + 96)
            .sum()
    }
}

impl Segment {
    pub(super) fn name(&self, at: usize) -> &str {
        let start = if at == 0 {
            0
        } else {
            self.entries[at - 1].name_end as usize
        };
        &self.names[start..self.entries[at].name_end as usize]
    }

    pub(super) fn body(&self, at: usize) -> &[u8] {
        let start = if at == 0 {
            0
        } else {
            self.entries[at - 1].body_end as usize
        };
        &self.body[start..self.entries[at].body_end as usize]
    }

    pub(super) fn last(&self) -> &str {
        self.entries
            .len()
            .checked_sub(1)
            .map_or("", |at| self.name(at))
    }
}

/// Fills segments in order.
#[derive(Default)]
pub(super) struct Filler {
    pub(super) done: Vec<Arc<Segment>>,
    body: Vec<u8>,
    entries: Vec<Entry>,
    names: String,
    rows: u64,
}

impl Filler {
    pub(super) fn push(&mut self, name: &str, labels: u32, body: impl FnOnce(&mut Vec<u8>)) {
        if self.body.len() >= SEGMENT_BYTES {
            self.cut();
        }
        body(&mut self.body);
        self.names.push_str(name);
        self.rows += u64::from(labels);
        // A segment is cut long before either length leaves 32 bits.
        self.entries.push(Entry {
            body_end: u32::try_from(self.body.len()).unwrap_or(u32::MAX),
            name_end: u32::try_from(self.names.len()).unwrap_or(u32::MAX),
            labels,
        });
    }

    pub(super) fn render(&mut self, render: &dyn Render, name: &str, labels: &[&Label]) {
        let count = u32::try_from(labels.len()).unwrap_or(u32::MAX);
        self.push(name, count, |out| {
            out.push(b',');
            render.chat(name, labels, out);
        });
    }

    fn cut(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        self.done.push(Arc::new(Segment {
            body: std::mem::take(&mut self.body).into_boxed_slice().into(),
            entries: std::mem::take(&mut self.entries).into(),
            names: std::mem::take(&mut self.names).into(),
            rows: std::mem::take(&mut self.rows),
        }));
    }

    pub(super) fn finish(mut self) -> Vec<Arc<Segment>> {
        self.cut();
        self.done
    }
}

/// Takes one chat over as it is.
pub(super) fn keep(filler: &mut Filler, segment: &Segment, at: usize) {
    filler.push(segment.name(at), segment.entries[at].labels, |out| {
        out.extend_from_slice(segment.body(at));
    });
}
