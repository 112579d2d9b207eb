// Between places in the script and places on the screen.

/** The text of an element's paragraph as it stands on the screen. */
export const textOf = (paragraph) => paragraph.textContent;

/** The place {id, offset} of a point on the screen, or null if it is in no element. */
export function placeAt(root, node, offset) {
  if (!root.contains(node)) return null;
  if (node === root) {
    const children = [...root.children];
    const isEnd = offset >= children.length;
    const child = nearest(children, Math.min(offset, children.length - 1), isEnd);
    return child && { id: child.dataset.id, offset: isEnd || child !== children[offset] ? textOf(child).length : 0 };
  }
  const paragraph = (node.nodeType === Node.TEXT_NODE ? node.parentElement : node).closest("[data-id]");
  if (!paragraph) {
    const other = (node.nodeType === Node.TEXT_NODE ? node.parentElement : node).closest(".ghost");
    let before = other?.previousElementSibling;
    while (before && !before.dataset.id) before = before.previousElementSibling;
    return before && { id: before.dataset.id, offset: textOf(before).length };
  }
  if (node.nodeType === Node.TEXT_NODE) return { id: paragraph.dataset.id, offset };
  return { id: paragraph.dataset.id, offset: offset === 0 ? 0 : textOf(paragraph).length };
}

function nearest(children, place, isEnd) {
  for (let step = place; step >= 0; step--) if (children[step].dataset.id) return children[step];
  return isEnd ? null : children.find((child) => child.dataset.id) ?? null;
}

/** What is selected in the script: {from, to, isEmpty}, from before to; null if nothing in it is. */
export function selected(root) {
  const selection = getSelection();
  if (!selection.rangeCount) return null;
  return rangeOf(root, selection.getRangeAt(0));
}

/** The places of a range of the screen. */
export function rangeOf(root, range) {
  const from = placeAt(root, range.startContainer, range.startOffset);
  const to = placeAt(root, range.endContainer, range.endOffset);
  if (!from || !to) return null;
  return { from, to, isEmpty: from.id === to.id && from.offset === to.offset };
}

/** The point on the screen of a place in a paragraph: [node, offset]. */
export function pointOf(paragraph, offset) {
  const node = paragraph.firstChild;
  return node?.nodeType === Node.TEXT_NODE ? [node, Math.min(offset, node.length)] : [paragraph, 0];
}
