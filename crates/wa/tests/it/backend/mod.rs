//! One suite for every `Backend`: the library's own in-memory one says what is
//! right, ours must do the same on both engines.

mod app_sync;
mod harness;
mod library;
mod protocol;
mod regular;
mod signal;

/// Each `async fn(&mut Harness)` as a test on every backend.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod memory {
            use crate::backend::harness::Harness;
            $(#[tokio::test]
            async fn $name() {
                super::$name(&mut Harness::memory()).await;
            })*
        }
        $crate::backend::on_our_backend!($($name),*);
    };
}

/// Each `async fn(&mut Harness)` as a test on ours only.
macro_rules! on_our_backend {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            use crate::backend::harness::Harness;
            $(#[tokio::test]
            async fn $name() {
                let mut harness = Harness::sqlite().await;
                super::$name(&mut harness).await;
                harness.remove().await;
            })*
        }
        mod postgres {
            use crate::backend::harness::Harness;
            $(#[tokio::test]
            #[ignore = "needs LABELWIRE_TEST_POSTGRES_URL"]
            async fn $name() {
                let mut harness = Harness::postgres().await;
                super::$name(&mut harness).await;
                harness.remove().await;
            })*
        }
    };
}

use {conformance, on_our_backend};
