import { showRefusal } from '@aether/ui/toasts.tsx';
import { Button, FileButton, Progress, Text } from '@mantine/core';
import { IconFileImport } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type DragEvent, useEffect, useRef, useState } from 'react';
import classes from './imports.module.css';
import type { ListedFile } from './queries.ts';
import { uploadFile } from './uploading.ts';

/** Takes files by drag and drop or by a button, sends them in chunks, and goes on to what was recognised. */
export function DropFiles({ known }: { known: ListedFile[] }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const [isOver, setOver] = useState(false);
  const [sending, setSending] = useState<{ name: string; share: number }>();
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);

  const take = async (files: File[]) => {
    const full = files.filter(({ size }) => size > 0);
    if (full.length < files.length)
      showRefusal('Not every file was taken', new Error('An empty file has nothing to import.'));
    if (full.length === 0 || sending) return;
    const own = new AbortController();
    stop.current = own;
    try {
      const ids: number[] = [];
      for (const file of full) {
        setSending({ name: file.name, share: 0 });
        const onProgress = (share: number) => setSending({ name: file.name, share });
        ids.push(await uploadFile(file, { known, onProgress, signal: own.signal }));
      }
      void navigate({ to: '/imports/new', search: { files: ids.join(',') } });
    } catch (error) {
      if (!own.signal.aborted) showRefusal('The upload was cut off: choose the file again, and it goes on', error);
    } finally {
      setSending(undefined);
      void client.invalidateQueries({ queryKey: ['imports'] });
    }
  };
  const drag = (over: boolean) => (event: DragEvent) => {
    event.preventDefault();
    setOver(over);
  };
  return (
    <section
      aria-label="Files to import"
      className={classes.drop}
      data-over={isOver}
      onDragOver={drag(true)}
      onDragLeave={drag(false)}
      onDrop={(event) => {
        drag(false)(event);
        void take([...event.dataTransfer.files]);
      }}
    >
      {sending ? (
        <div>
          <Text size="sm" mb={6} role="status">
            Sending {sending.name}: {Math.round(sending.share * 100)} %
          </Text>
          <Progress value={sending.share * 100} aria-label={`Sent: ${Math.round(sending.share * 100)} percent`} />
        </div>
      ) : (
        <div>
          Drop lists of customers here: CSV, XLSX, JSON or vCard, as other apps export them. Lists of companies and
          users complete them. Nothing is changed before you have seen a plan.
        </div>
      )}
      {sending ? (
        <Button variant="default" onClick={() => stop.current?.abort()}>
          Stop
        </Button>
      ) : (
        <FileButton multiple onChange={(files) => void take(files)} inputProps={{ 'aria-label': 'Files' }}>
          {(props) => (
            <Button {...props} leftSection={<IconFileImport size={16} />}>
              Choose files
            </Button>
          )}
        </FileButton>
      )}
    </section>
  );
}
