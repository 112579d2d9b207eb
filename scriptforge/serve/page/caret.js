// Conversion between places in the script, {id, offset}, and points in the DOM, [node, offset].

/** The text of an element's paragraph in the DOM. */
export const textOf = (paragraph) => paragraph.textContent;

/** The place {id, offset} of a point in the DOM, or null if it is in no element. */
export function placeAt(root, node, offset) {
  if (!root.contains(node)) return null;
  if (node === root || node.parentElement === root) {
    const next = node.childNodes[offset];
    const isEnd = !next;
    const inside = isEnd ? node : next;
    const paragraphs = inside.matches("[data-id]") ? [inside] : [...inside.querySelectorAll("[data-id]")];
    const paragraph = isEnd ? paragraphs.at(-1) : paragraphs[0];
    return paragraph ? { id: paragraph.dataset.id, offset: isEnd ? textOf(paragraph).length : 0 } : null;
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

/** The selection in the script: {from, to, isEmpty}, from before to; null if there is none. */
export function selected(root) {
  const selection = getSelection();
  if (!selection.rangeCount) return null;
  return rangeOf(root, selection.getRangeAt(0));
}

/** The places of a range of the DOM: {from, to, isEmpty}; null if an end is in no element. */
export function rangeOf(root, range) {
  const from = placeAt(root, range.startContainer, range.startOffset);
  const to = placeAt(root, range.endContainer, range.endOffset);
  if (!from || !to) return null;
  return { from, to, isEmpty: from.id === to.id && from.offset === to.offset };
}

/** The point in the DOM of an offset in a paragraph: [node, offset]. */
export function pointOf(paragraph, offset) {
  const node = paragraph.firstChild;
  return node?.nodeType === Node.TEXT_NODE ? [node, Math.min(offset, node.length)] : [paragraph, 0];
}
