use super::*;

#[test]
fn there_is_room_where_tests_write() {
    let dir = tempfile::tempdir().unwrap();
    assert!(free_space(dir.path()).unwrap() > 0);
    assert!(free_space(&dir.path().join("not-there")).is_err());
}

#[test]
fn private_folders_are_made_with_their_parents_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a/b");
    private_dir(&deep).unwrap();
    private_dir(&deep).unwrap();
    assert!(deep.is_dir());
    sync_dir(&deep).unwrap();
}

#[test]
fn a_private_file_is_replaced_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(dir.path().join("secret.new"), "left by a crash").unwrap();
    write_private(&file, b"one").unwrap();
    write_private(&file, b"two").unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"two");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
