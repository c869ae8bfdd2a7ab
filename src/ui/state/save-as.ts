/** Hands bytes to the browser's download list. */
export function saveAs(
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
  type = 'application/octet-stream',
): void {
  saveBlob(name, new Blob([bytes], { type }), 10_000);
}

/** @param heldMs until when the download has begun (at once would be too early in some browsers), or is over */
export function saveBlob(name: string, blob: Blob, heldMs: number): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), heldMs);
}
