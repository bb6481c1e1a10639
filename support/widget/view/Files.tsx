import { useEffect, useRef } from 'preact/hooks';
import type { Chat } from '../chat/chat.ts';
import type { SentFile } from '../chat/thread.ts';

/** The longer side of a small picture. */
const sidePixels = 220;

/**
 * The files of a message: images as small pictures, the others by name and size. A click saves the file. The token is in a header, so nothing has
 * an address that an `img` could name; and a picture is drawn, because the host page's policy may allow it no other way.
 */
export function Files({ files, chat }: { files: SentFile[]; chat: Chat }) {
  return (
    <>
      {files.map((file) => (
        <button key={file.id} type="button" class="file" title={file.name} onClick={() => void save(chat, file)}>
          {file.has_thumbnail ? <Picture file={file} chat={chat} /> : `${file.name} (${sizeOf(file)})`}
        </button>
      ))}
    </>
  );
}

function Picture({ file, chat }: { file: SentFile; chat: Chat }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { name, width = sidePixels, height = sidePixels } = file;
  const scale = Math.min(1, sidePixels / Math.max(width, height));
  // biome-ignore lint/correctness/useExhaustiveDependencies: a file never changes
  useEffect(() => {
    void draw(canvas.current, chat, file);
  }, [file.id]);
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={name}
      style={{ inlineSize: `${width * scale}px`, aspectRatio: `${width} / ${height}` }}
    />
  );
}

async function draw(canvas: HTMLCanvasElement | null, chat: Chat, file: SentFile): Promise<void> {
  const bytes = await chat.file(file, '/thumbnail');
  const picture = bytes && (await createImageBitmap(bytes).catch(() => undefined));
  if (!canvas || !picture) return;
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext('2d')?.drawImage(picture, 0, 0);
}

async function save(chat: Chat, file: SentFile): Promise<void> {
  const bytes = await chat.file(file);
  if (!bytes) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(bytes);
  link.download = bytes.name; // not the sender's: a picture called x.html would be opened as a page
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

const sizeOf = ({ size }: SentFile): string =>
  size < 1_048_576 ? `${Math.ceil(size / 1_024)} KB` : `${(size / 1_048_576).toFixed(1)} MB`;
