//! Growth of the lists that have an item for each service.

/// Makes room for `more` items. Without room, an eighth is added: a list that doubles has up to
/// half of its memory unused.
pub(super) fn make_room<T>(items: &mut Vec<T>, more: usize) {
    if items.capacity() - items.len() < more {
        items.reserve_exact(more.max(items.len() / 8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_unused_and_items_are_seldom_moved() {
        let (mut items, mut moves) = (Vec::new(), 0);
        for nth in 0..100_000 {
            let before = items.capacity();
            make_room(&mut items, 1);
            moves += usize::from(items.capacity() != before);
            items.push(nth);
            assert!(items.capacity() <= items.len() + items.len() / 8);
        }
        assert!(moves < 128, "{moves}");
        make_room(&mut items, 50_000);
        assert!(items.capacity() >= 150_000);
    }
}
