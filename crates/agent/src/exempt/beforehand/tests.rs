//! What starts rely on, with a scripted engine and with real ones.

use super::*;

mod root;

#[test]
fn nothing_is_made_outside_of_cgroups() {
    let directory = tempfile::tempdir().unwrap();
    let error = made(directory.path(), Path::new("/a/b")).unwrap_err();
    assert!(
        error.contains(&directory.path().display().to_string()),
        "{error}"
    );
    assert!(!directory.path().join("a").exists());
}

#[tokio::test]
async fn who_is_translated_does_not_wait_for_an_engine() {
    let engine = Arc::new(crate::scripted::Scripted::new());
    engine.script().away = true;
    let engine = engine as Arc<dyn Engine>;
    let beforehand = Beforehand::new(Kernel::new(None));
    let mut task = crate::kernel_lab::task("/a");
    beforehand.ready(&engine, &task).await.unwrap();
    task.labels.insert(vip::TRANSLATE.into(), "false".into());
    let error = beforehand.ready(&engine, &task).await.unwrap_err();
    assert!(
        matches!(error, EngineError::Unavailable { .. }),
        "{error:?}"
    );
}
