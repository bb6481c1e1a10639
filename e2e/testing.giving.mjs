/** Runs in the page: gives a file to an element as a paste or a drop does. */
export function giveFile(element, { event, name, mimeType, bytes }) {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(bytes)], name, { type: mimeType }));
  const init = { bubbles: true, cancelable: true };
  element.dispatchEvent(
    event === 'paste'
      ? new ClipboardEvent('paste', { ...init, clipboardData: data })
      : new DragEvent('drop', { ...init, dataTransfer: data }),
  );
}

/** Runs in the page: how many pixels wide a drawn or loaded picture is. */
export const widthOf = (picture) => picture.naturalWidth ?? picture.width;
