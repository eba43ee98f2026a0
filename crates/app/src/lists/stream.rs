//! Lists too large to be kept: read, rendered and sent page by page.

use bytes::Bytes;
use labelwire_domain::ids::InstanceKey;
use labelwire_store::{Db, Error, chat_labels};
use tokio::sync::mpsc;

use super::labels::Labels;
use super::segment::{Filler, Render};

/// Rows a streamed answer reads at a time.
const PAGE_ROWS: i64 = 10_000;

/// An answer on its way.
pub struct Streamed(pub(super) mpsc::Receiver<Result<Part, Error>>);

/// A part of a streamed answer.
#[derive(Debug)]
pub enum Part {
    /// Chats, joined by commas, the first behind one too except in the first part.
    Chats(Bytes),
    /// The last part: what all of them held.
    End {
        /// Chats.
        chats: u64,
        /// Pairs of chat and label.
        rows: u64,
    },
}

impl Streamed {
    /// The next part. After an error, or where the last was no [`Part::End`], the
    /// answer is not whole and must not look so.
    pub async fn next(&mut self) -> Option<Result<Part, Error>> {
        self.0.recv().await
    }
}

/// Sends a whole answer, page by page. A reader that is gone ends it.
pub(super) async fn send_pages(
    db: &Db,
    instance: InstanceKey,
    labels: &Labels,
    filter: Option<&[String]>,
    render: &dyn Render,
    send: &mpsc::Sender<Result<Part, Error>>,
) -> Result<(), Error> {
    let (mut chats, mut rows) = (0, 0);
    let mut behind = String::new();
    loop {
        let page = {
            let mut reader = db.reader().await?;
            chat_labels::live_page(reader.conn(), instance, &behind, PAGE_ROWS).await?
        };
        let last_page = page.len() < usize::try_from(PAGE_ROWS).unwrap_or(usize::MAX);
        let mut groups: Vec<&[chat_labels::LiveRow]> =
            page.chunk_by(|a, b| a.chat == b.chat).collect();
        if !last_page && groups.len() > 1 {
            // The last chat may go on in the next page.
            groups.pop();
        }
        let mut filler = Filler::default();
        for group in &groups {
            let asked = filter.is_none_or(|f| group.iter().any(|row| f.contains(&row.label_id)));
            let live = if asked {
                labels.live_of(group.iter().map(|row| row.label_id.as_str()))
            } else {
                Vec::new()
            };
            if !live.is_empty() {
                filler.render(render, &group[0].chat, &live);
            }
        }
        if let Some(group) = groups.last() {
            behind.clone_from(&group[0].chat);
        }
        for segment in filler.finish() {
            let first = usize::from(chats == 0);
            chats += segment.entries.len() as u64;
            rows += segment.rows;
            if send
                .send(Ok(Part::Chats(segment.body.slice(first..))))
                .await
                .is_err()
            {
                return Ok(());
            }
        }
        if last_page {
            let _ = send.send(Ok(Part::End { chats, rows })).await;
            return Ok(());
        }
    }
}
