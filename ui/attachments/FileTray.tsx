import { CloseButton } from '@mantine/core';
import { IconAlertCircle, IconPaperclip } from '@tabler/icons-react';
import { type ClipboardEvent, type DragEvent, useRef, useState } from 'react';
import classes from './attachments.module.css';
import { formatSize } from './upload.ts';
import type { Uploads } from './useUploads.ts';

/** The files that go with what is written: how far each is, why one is not taken, and a button that takes it away. */
export function FileTray({ uploads }: { uploads: Uploads }) {
  if (uploads.items.length === 0) return null;
  return (
    <ul className={classes.tray} aria-label="Files to be sent">
      {uploads.items.map(({ key, name, size, share, sent, problem }) => (
        <li key={key} className={classes.waiting} data-bad={problem !== undefined || undefined}>
          <span className={classes.name}>{name}</span>
          {problem ? (
            <span className={classes.problem} role="alert">
              <IconAlertCircle size={13} aria-hidden /> {problem}
            </span>
          ) : (
            <span className={classes.size} role="status">
              {sent ? formatSize(size) : `${Math.floor(share * 100)} %`}
            </span>
          )}
          {!sent && !problem && <progress className={classes.progress} value={share} max={1} aria-label={name} />}
          <CloseButton size="sm" aria-label={`Remove ${name}`} onClick={() => uploads.remove(key)} />
        </li>
      ))}
    </ul>
  );
}

/** The button that opens the system's dialog. */
export function AttachButton({ uploads, className }: { uploads: Uploads; className?: string | undefined }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" className={className} disabled={uploads.isFull} onClick={() => input.current?.click()}>
        <IconPaperclip size={15} aria-hidden className={classes.attach} /> Attach
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        aria-label="Files to attach"
        onChange={({ currentTarget }) => {
          uploads.add(currentTarget.files ?? []);
          currentTarget.value = ''; // the same file can be chosen again
        }}
      />
    </>
  );
}

/** For a form that takes files by paste and by drop. `isOver`: something is held above it. */
export function useFileDrop(uploads: Uploads | undefined) {
  const [isOver, setOver] = useState(false);
  const hasFiles = ({ dataTransfer }: DragEvent) => dataTransfer.types.includes('Files');
  const handlers = {
    onPaste(event: ClipboardEvent) {
      const { files, types } = event.clipboardData;
      // Office puts a picture of copied text beside the text: then the text is meant.
      if (!uploads || files.length === 0 || types.includes('text/plain')) return;
      event.preventDefault();
      uploads.add(files);
    },
    onDragOver(event: DragEvent) {
      if (!uploads || !hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave(event: DragEvent) {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
    },
    onDrop(event: DragEvent) {
      setOver(false);
      if (!uploads || !hasFiles(event)) return;
      event.preventDefault();
      uploads.add(event.dataTransfer.files);
    },
  };
  return { isOver, handlers };
}
