//! App-state collections: version, LT-hash and MACs.
//!
//! The library asks for a record's old value MAC before every change, by index
//! MAC. Those are HMACs, so their first bits spread evenly: pairs lie packed in
//! 2^bits buckets of a few dozen. A snapshot of 100,000 records writes some
//! 2,000 rows, and one change rewrites one row.

use std::collections::BTreeMap;

use labelwire_domain::collection::{MacOp, MacPair};
use labelwire_domain::ids::InstanceKey;

use crate::db::{Conn, Tx};
use crate::error::Error;
use crate::macros::{on, row, sql};

/// Pairs a bucket is laid out for; it is split when it holds four times as many.
const BUCKET_PAIRS: u64 = 64;
const PAIR_BYTES: usize = 64;
/// Rows of `set_16_buckets`: a snapshot's statements are mostly the way there
/// and back.
const BUCKETS_AT_ONCE: usize = 16;

/// An index MAC and its new value MAC; `None` removes it.
type Edit<'a> = (&'a [u8; 32], Option<&'a [u8; 32]>);

/// A collection's stored version.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Version number.
    pub version: u64,
    /// The library's serialised hash state; empty where only MACs were stored.
    pub state: Vec<u8>,
}

row! {
    struct CollectionRow {
        version: i64,
        state: Vec<u8>,
        bucket_bits: i32,
        macs: i64,
    }
}

async fn row(
    conn: Conn<'_>,
    instance: InstanceKey,
    name: &str,
) -> Result<Option<CollectionRow>, Error> {
    Ok(on!(conn, c => sqlx::query_as(sql!("collections/find"))
        .bind(instance.0).bind(name).fetch_optional(c).await)?)
}

/// The stored version.
///
/// # Errors
/// The engine's own.
pub async fn find(
    conn: Conn<'_>,
    instance: InstanceKey,
    name: &str,
) -> Result<Option<Stored>, Error> {
    Ok(row(conn, instance, name).await?.map(|r| Stored {
        version: u64::try_from(r.version).unwrap_or_default(),
        state: r.state,
    }))
}

/// Writes the version.
///
/// # Errors
/// The engine's own.
pub async fn set_version(
    tx: &mut Tx,
    instance: InstanceKey,
    name: &str,
    version: u64,
    state: &[u8],
) -> Result<(), Error> {
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    on!(tx.conn(), c => sqlx::query(sql!("collections/set_version"))
        .bind(instance.0).bind(name).bind(version).bind(state).execute(c).await.map(drop))?;
    Ok(())
}

/// The value MACs stored under these index MACs; what is not stored is left out.
///
/// # Errors
/// The engine's own; [`Error::Corrupt`] for a bucket of a wrong size.
pub async fn find_macs(
    mut conn: Conn<'_>,
    instance: InstanceKey,
    name: &str,
    index_macs: &[[u8; 32]],
) -> Result<Vec<MacPair>, Error> {
    let Some(shape) = row(conn.reborrow(), instance, name).await? else {
        return Ok(Vec::new());
    };
    let mut wanted: BTreeMap<i64, Vec<&[u8; 32]>> = BTreeMap::new();
    for mac in index_macs {
        wanted
            .entry(bucket_of(mac, shape.bucket_bits))
            .or_default()
            .push(mac);
    }
    let mut found = Vec::with_capacity(index_macs.len());
    for (bucket, macs) in wanted {
        let pairs = load_bucket(conn.reborrow(), instance, name, bucket).await?;
        for mac in macs {
            if let Ok(at) = pairs.binary_search_by(|p| p.0.cmp(mac)) {
                found.push(pairs[at]);
            }
        }
    }
    Ok(found)
}

/// Changes the stored MACs; with `cleared`, nothing that was there stays.
///
/// # Errors
/// The engine's own; [`Error::Corrupt`] for a bucket of a wrong size.
pub async fn apply_macs(
    tx: &mut Tx,
    instance: InstanceKey,
    name: &str,
    cleared: bool,
    ops: &[MacOp],
) -> Result<(), Error> {
    let shape = row(tx.conn(), instance, name).await?;
    let (bits, count) = if cleared {
        let puts: usize = ops
            .iter()
            .map(|op| match op {
                MacOp::Put(pairs) => pairs.len(),
                MacOp::Delete(_) => 0,
            })
            .sum();
        on!(tx.conn(), c => sqlx::query(sql!("collections/clear_buckets"))
            .bind(instance.0).bind(name).execute(c).await.map(drop))?;
        (bits_for(puts as u64), 0)
    } else {
        shape.as_ref().map_or((0, 0), |s| {
            (s.bucket_bits, u64::try_from(s.macs).unwrap_or_default())
        })
    };

    let mut by_bucket: BTreeMap<i64, Vec<Edit<'_>>> = BTreeMap::new();
    for op in ops {
        match op {
            MacOp::Put(pairs) => {
                for (index, value) in pairs.iter() {
                    by_bucket
                        .entry(bucket_of(index, bits))
                        .or_default()
                        .push((index, Some(value)));
                }
            }
            MacOp::Delete(macs) => {
                for index in macs.iter() {
                    by_bucket
                        .entry(bucket_of(index, bits))
                        .or_default()
                        .push((index, None));
                }
            }
        }
    }
    let mut now = count;
    let mut full = Vec::new();
    for (bucket, edits) in by_bucket {
        let mut pairs = if cleared {
            Vec::with_capacity(edits.len())
        } else {
            load_bucket(tx.conn(), instance, name, bucket).await?
        };
        let had = pairs.len() as u64;
        for (index, value) in edits {
            match (pairs.binary_search_by(|p| p.0.cmp(index)), value) {
                (Ok(at), Some(value)) => pairs[at].1 = *value,
                (Ok(at), None) => {
                    pairs.remove(at);
                }
                (Err(at), Some(value)) => pairs.insert(at, (*index, *value)),
                (Err(_), None) => {}
            }
        }
        now = now + pairs.len() as u64 - had;
        full.push((bucket, pack(&pairs)));
        if full.len() == BUCKETS_AT_ONCE {
            store_buckets(tx, instance, name, std::mem::take(&mut full)).await?;
        }
    }
    store_buckets(tx, instance, name, full).await?;
    let bits = if now > (BUCKET_PAIRS * 4) << bits {
        split(tx, instance, name, now).await?
    } else {
        bits
    };
    if cleared || shape.is_none_or(|s| s.bucket_bits != bits || u64::try_from(s.macs) != Ok(now)) {
        on!(tx.conn(), c => sqlx::query(sql!("collections/set_shape"))
            .bind(instance.0).bind(name).bind(&b""[..]).bind(bits)
            .bind(i64::try_from(now).unwrap_or(i64::MAX))
            .execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Lays all pairs out anew for `count` of them.
async fn split(tx: &mut Tx, instance: InstanceKey, name: &str, count: u64) -> Result<i32, Error> {
    let rows: Vec<(Vec<u8>,)> = on!(tx.conn(), c => sqlx::query_as(sql!("collections/buckets"))
        .bind(instance.0).bind(name).fetch_all(c).await)?;
    on!(tx.conn(), c => sqlx::query(sql!("collections/clear_buckets"))
        .bind(instance.0).bind(name).execute(c).await.map(drop))?;
    let bits = bits_for(count);
    let mut by_bucket: BTreeMap<i64, Vec<MacPair>> = BTreeMap::new();
    for (bytes,) in rows {
        for pair in unpack(&bytes)? {
            by_bucket
                .entry(bucket_of(&pair.0, bits))
                .or_default()
                .push(pair);
        }
    }
    for (bucket, mut pairs) in by_bucket {
        pairs.sort_unstable_by_key(|pair| pair.0);
        store_buckets(tx, instance, name, vec![(bucket, pack(&pairs))]).await?;
    }
    Ok(bits)
}

async fn load_bucket(
    conn: Conn<'_>,
    instance: InstanceKey,
    name: &str,
    bucket: i64,
) -> Result<Vec<MacPair>, Error> {
    let row: Option<(Vec<u8>,)> = on!(conn, c => sqlx::query_as(sql!("collections/bucket"))
        .bind(instance.0).bind(name).bind(bucket).fetch_optional(c).await)?;
    row.map_or_else(|| Ok(Vec::new()), |(bytes,)| unpack(&bytes))
}

fn pack(pairs: &[MacPair]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pairs.len() * PAIR_BYTES);
    for (index, value) in pairs {
        bytes.extend_from_slice(index);
        bytes.extend_from_slice(value);
    }
    bytes
}

/// Writes buckets: [`BUCKETS_AT_ONCE`] with one statement, fewer one by one.
async fn store_buckets(
    tx: &mut Tx,
    instance: InstanceKey,
    name: &str,
    buckets: Vec<(i64, Vec<u8>)>,
) -> Result<(), Error> {
    if buckets.len() == BUCKETS_AT_ONCE {
        on!(tx.conn(), c => {
            let mut query = sqlx::query(sql!("collections/set_16_buckets")).bind(instance.0).bind(name);
            for (bucket, bytes) in buckets {
                query = query.bind(bucket).bind(bytes);
            }
            query.execute(c).await.map(drop)
        })?;
        return Ok(());
    }
    for (bucket, bytes) in buckets {
        on!(tx.conn(), c => sqlx::query(sql!("collections/set_bucket"))
            .bind(instance.0).bind(name).bind(bucket).bind(bytes).execute(c).await.map(drop))?;
    }
    Ok(())
}

fn unpack(bytes: &[u8]) -> Result<Vec<MacPair>, Error> {
    let (chunks, rest) = bytes.as_chunks::<PAIR_BYTES>();
    if !rest.is_empty() {
        return Err(Error::Corrupt("mac_buckets.pairs"));
    }
    Ok(chunks
        .iter()
        .map(|chunk| {
            let mut pair = ([0; 32], [0; 32]);
            pair.0.copy_from_slice(&chunk[..32]);
            pair.1.copy_from_slice(&chunk[32..]);
            pair
        })
        .collect())
}

fn bits_for(count: u64) -> i32 {
    let buckets = (count / BUCKET_PAIRS).next_power_of_two();
    i32::try_from(buckets.trailing_zeros())
        .unwrap_or_default()
        .min(24)
}

fn bucket_of(mac: &[u8; 32], bits: i32) -> i64 {
    let first = u32::from_be_bytes([mac[0], mac[1], mac[2], mac[3]]);
    if bits == 0 {
        0
    } else {
        i64::from(first >> (32 - bits))
    }
}
