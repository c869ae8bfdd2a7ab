import { language } from '../text/language.svelte.ts';
import { blobSink, type FileSink } from './disk-files.ts';
import { saveBlob } from './save-as.ts';

/** What browsers with the File System Access API have; it is in no library of types yet. */
interface SavePicker {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<{
    createWritable(): Promise<FileSink>;
  }>;
}

/**
 * Asks where to save. Undefined when the reader changes their mind. Has to be called by a click itself: the browser
 * shows its dialogue for that only.
 */
export async function chooseSink(name: string): Promise<FileSink | undefined> {
  const picker = window as Window & SavePicker;
  if (picker.showSaveFilePicker === undefined) return downloadSink(name);
  try {
    return await (await picker.showSaveFilePicker({ suggestedName: name })).createWritable();
  } catch (error) {
    if ((error as DOMException).name === 'AbortError') return undefined;
    // A browser that has it and gives it to nobody (in a frame): as if it had none.
    if ((error as DOMException).name === 'SecurityError') return downloadSink(name);
    throw new Error(language.t.diskFiles.cannotSave((error as Error).message), { cause: error });
  }
}

/** A download. What was written is in Blobs, which browsers keep on the disk when there is much of it. */
export function downloadSink(name: string): FileSink {
  const file = blobSink();
  return {
    ...file,
    async close() {
      // The browser has read it by then, or holds it; a large file takes its time.
      saveBlob(name, file.blob(), 600_000);
    },
  };
}
