//! One client's WebSocket: frames, encryption and who is at the other end.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wacore::framing::{FrameDecoder, append_frame_into};
use wacore::noise::NoiseCipher;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::consts::WA_CONN_HEADER;
use wacore_binary::{Node, OwnedNodeRef, marshal, util};

use crate::Error;
use crate::device::{Link, Out};
use crate::faults::FaultKind;
use crate::noise::{Opening, Secured, open};
use crate::pairing::{Companion, companion, offer_refs};
use crate::router;
use crate::world::{Shared, World, lock, replace};

/// So many stanzas are put into one WebSocket message at most.
const BATCH: usize = 64;
/// A handshake that takes longer is not one.
const HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(20);

/// Who a connection belongs to.
pub(crate) enum Session {
    /// A client that waits to be linked.
    Companion(Arc<Companion>),
    /// A linked device.
    Device(DeviceSession),
}

/// A logged-in device's connection.
pub(crate) struct DeviceSession {
    pub account: Shared,
    pub device: u16,
    pub link: Link,
}

/// Serves a WebSocket until either side ends it.
pub(crate) async fn serve(world: World, socket: WebSocket) {
    let shutdown = world.shutdown().clone();
    let (sink, stream) = socket.split();
    let mut frames = Frames {
        stream,
        decoder: FrameDecoder::new(),
    };
    let link = world.next_link();
    let serving = async {
        match drive(&world, sink, &mut frames, link).await {
            Ok(()) => tracing::debug!(link, "connection ended"),
            Err(error) => tracing::debug!(link, %error, "connection ended"),
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = serving => {}
    }
    world.pairing().forget(link);
}

async fn drive(
    world: &World,
    mut sink: SplitSink<WebSocket, Message>,
    frames: &mut Frames,
    id: u64,
) -> Result<(), Error> {
    let handshake = handshake(world, &mut sink, frames);
    let mut secured = tokio::time::timeout(HANDSHAKE, handshake)
        .await
        .map_err(|_| Error::protocol("the handshake took too long"))??;
    let (tx, orders) = unbounded_channel();
    let link = Link { id, tx };
    let reader = std::mem::replace(
        &mut secured.reader,
        NoiseCipher::new(&[0; 32]).map_err(Error::crypto)?,
    );
    let session = match admit(world, &secured, link.clone())? {
        Ok(session) => session,
        Err(failure) => {
            link.send(failure);
            link.close();
            return write(sink, orders, &secured.writer).await;
        }
    };
    // Both directions run in this one task, so a client that is slow to read
    // does not stop what it sends from being handled.
    let result = tokio::select! {
        result = read(world, frames, &reader, &session) => result,
        result = write(sink, orders, &secured.writer) => result,
    };
    if let Session::Device(session) = &session {
        let mut account = lock(&session.account);
        if let Some(device) = account.devices.get_mut(&session.device) {
            device.detach(id);
        }
    }
    result
}

async fn handshake(
    world: &World,
    sink: &mut SplitSink<WebSocket, Message>,
    frames: &mut Frames,
) -> Result<Secured, Error> {
    frames.intro().await?;
    let hello = frames.next().await?;
    let mut rng = rand::make_rng::<StdRng>();
    match open(world.keys(), &WA_CONN_HEADER, &hello, &mut rng)? {
        Opening::Complete(reply, secured) => {
            send_plain(sink, &reply).await?;
            Ok(*secured)
        }
        Opening::Pending(reply, pending) => {
            send_plain(sink, &reply).await?;
            pending.finish(&frames.next().await?)
        }
    }
}

async fn send_plain(sink: &mut SplitSink<WebSocket, Message>, payload: &[u8]) -> Result<(), Error> {
    let mut frame = Vec::new();
    append_frame_into(payload, None, &mut frame).map_err(Error::protocol)?;
    let sent = sink.send(Message::Binary(Bytes::from(frame))).await;
    sent.map_err(Error::protocol)
}

/// Logs a client in, or starts its pairing; the inner error is the `<failure>` to send.
fn admit(world: &World, secured: &Secured, link: Link) -> Result<Result<Session, Node>, Error> {
    let payload = &secured.payload;
    let (Some(phone), Some(number)) = (payload.username, payload.device) else {
        let companion = Arc::new(companion(secured, link)?);
        offer_refs(world, companion.clone());
        return Ok(Ok(Session::Companion(companion)));
    };
    let Ok(account) = world.account(&phone.to_string()) else {
        return Ok(Err(failure(401)));
    };
    let device_number = u16::try_from(number).unwrap_or(u16::MAX);
    let mut guard = lock(&account);
    if let Some(fault) = guard.faults.take(FaultKind::RefuseLogin, device_number) {
        return Ok(Err(failure(fault.code.unwrap_or(503))));
    }
    let success = success(&guard.lid, device_number, &guard.name, guard.created);
    let Some(device) = guard.devices.get_mut(&device_number) else {
        return Ok(Err(failure(401)));
    };
    if device.noise != secured.client_static {
        return Ok(Err(failure(401)));
    }
    if let Some(old) = device.attach(link.clone()) {
        replace(&old);
    }
    link.send(success);
    tracing::debug!(device = device_number, "login");
    drop(guard);
    Ok(Ok(Session::Device(DeviceSession {
        account,
        device: device_number,
        link,
    })))
}

fn success(lid: &str, device: u16, name: &str, created: i64) -> Node {
    NodeBuilder::new("success")
        .attr("t", wacore::time::now_secs())
        .attr("props", "1")
        .attr("companion_enc_static", "")
        .attr("lid", format!("{lid}:{device}@lid"))
        .attr("display_name", name)
        .attr("creation", created)
        .build()
}

fn failure(reason: u16) -> Node {
    NodeBuilder::new("failure")
        .attr("reason", reason)
        .attr("location", "cln")
        .build()
}

async fn read(
    world: &World,
    frames: &mut Frames,
    cipher: &NoiseCipher,
    session: &Session,
) -> Result<(), Error> {
    for counter in 0u32.. {
        let mut frame = frames.next().await?;
        cipher
            .decrypt_in_place_with_counter(counter, &mut frame)
            .map_err(Error::crypto)?;
        let stanza = util::unpack_bytes(frame).map_err(Error::protocol)?;
        let stanza = OwnedNodeRef::new(stanza).map_err(Error::protocol)?;
        tracing::trace!(tag = stanza.tag(), "stanza from a client");
        router::handle(world, session, &stanza).await?;
    }
    Ok(())
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut orders: UnboundedReceiver<Out>,
    cipher: &NoiseCipher,
) -> Result<(), Error> {
    let mut counter = 0u32;
    let mut batch = Vec::with_capacity(BATCH);
    while orders.recv_many(&mut batch, BATCH).await > 0 {
        let mut frames = Vec::new();
        let mut end = None;
        for order in batch.drain(..) {
            let Out::Stanza(node) = order else {
                end = Some(order);
                break;
            };
            let stanza = marshal(&node).map_err(Error::protocol)?;
            let sealed = cipher
                .encrypt_with_counter(counter, &stanza)
                .map_err(Error::crypto)?;
            counter += 1;
            append_frame_into(&sealed, None, &mut frames).map_err(Error::protocol)?;
        }
        if !frames.is_empty() {
            let message = Message::Binary(Bytes::from(frames));
            sink.send(message).await.map_err(Error::protocol)?;
        }
        match end {
            Some(Out::Close) => return sink.close().await.map_err(Error::protocol),
            Some(_) => return Ok(()),
            None => {}
        }
    }
    Ok(())
}

/// The frames in a client's byte stream, however it is cut into messages.
struct Frames {
    stream: SplitStream<WebSocket>,
    decoder: FrameDecoder,
}

impl Frames {
    /// Reads up to the end of the connection header, routing hint included.
    async fn intro(&mut self) -> Result<(), Error> {
        let mut buffer = BytesMut::new();
        let start = loop {
            buffer.extend_from_slice(&self.bytes().await?);
            let start = match buffer.as_ref() {
                [b'E', b'D', _, _, a, b, c, ..] => {
                    7 + usize::from(*a) * 65_536 + usize::from(*b) * 256 + usize::from(*c)
                }
                [b'E', ..] => continue,
                _ => 0,
            };
            if start > 65_536 {
                return Err(Error::protocol("the routing hint is too long"));
            }
            if buffer.len() >= start + WA_CONN_HEADER.len() {
                break start;
            }
        };
        let rest = buffer.split_off(start + WA_CONN_HEADER.len());
        if buffer[start..] != WA_CONN_HEADER {
            return Err(Error::protocol("this is another protocol or version"));
        }
        self.decoder.feed(&rest);
        Ok(())
    }

    async fn next(&mut self) -> Result<BytesMut, Error> {
        loop {
            if let Some(frame) = self.decoder.decode_frame() {
                return Ok(frame);
            }
            let bytes = self.bytes().await?;
            self.decoder.feed(&bytes);
        }
    }

    async fn bytes(&mut self) -> Result<Bytes, Error> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Message::Close(_))) | None => {
                    return Err(Error::protocol("the client closed the connection"));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Error::protocol(error)),
            }
        }
    }
}
