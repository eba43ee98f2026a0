//! Frames over a WebSocket.

use std::pin::pin;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use tokio::sync::oneshot;

use super::{Closing, End, Frame};

/// A peer that takes nothing for so long is gone.
const GONE: Duration = Duration::from_mins(1);
/// Bytes of a message a reader may send; nothing is expected of it.
const HEARD: usize = 64 * 1024;

/// Answers with a WebSocket that frames go out on, an event a text message.
pub(crate) fn answer(
    upgrade: WebSocketUpgrade,
    closing: Closing,
    frames: impl Stream<Item = Frame> + Send + 'static,
) -> Response {
    upgrade
        .max_message_size(HEARD)
        .on_upgrade(move |socket| async move {
            // As a task of the server, which waits for it at its end.
            let (done, wait) = oneshot::channel::<()>();
            closing.tasks.spawn(async move {
                send(socket, frames).await;
                drop(done);
            });
            let _ = wait.await;
        })
}

/// Sends frames until either side ends.
pub(crate) async fn send(socket: WebSocket, frames: impl Stream<Item = Frame> + Send) {
    let mut frames = pin!(frames);
    let (mut out, mut heard) = socket.split();
    loop {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            message = heard.next() => match message {
                // Pings are answered by the library; all else is not for us.
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
        };
        let (message, is_last) = match frame {
            Some(Frame::Event { text, .. }) => (Message::Text(text.into()), false),
            Some(Frame::Beat(_)) => (Message::Ping(Vec::new().into()), false),
            Some(Frame::End(end)) => (Message::Close(Some(close(end))), true),
            None => return,
        };
        match tokio::time::timeout(GONE, out.send(message)).await {
            Ok(Ok(())) if !is_last => {}
            _ => return,
        }
    }
}

/// The close frame that says why (RFC 6455 7.4, and its registry).
pub(crate) fn close(end: End) -> CloseFrame {
    let code = match end {
        End::Slow => 1013,
        End::Token => 1008,
        End::Deleted => 1000,
        End::Stopping => 1012,
        End::Failed => 1011,
    };
    CloseFrame {
        code,
        reason: end.detail().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_fit_a_close_frame() {
        for end in [
            End::Slow,
            End::Token,
            End::Deleted,
            End::Stopping,
            End::Failed,
        ] {
            assert!(close(end).reason.len() <= 123);
        }
    }
}
