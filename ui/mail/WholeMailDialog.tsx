import { Button, Modal } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { formatSize } from '../attachments/upload.ts';
import { formatMoment } from '../formats.ts';
import { ErrorNotice } from '../Notice.tsx';
import { Waiting } from '../Waiting.tsx';
import { readWholeMail, type WholeMail } from './calls.ts';
import classes from './mail.module.css';

/** A mail that came in, with all of its text. As it came it is a download: nothing of it runs here. */
export function WholeMailDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['whole-mail', id],
    queryFn: () => readWholeMail(id),
    gcTime: 0, // it may be erased
  });
  return (
    <Modal opened onClose={onClose} title={data?.subject ?? 'An e-mail'} size="lg">
      {error && <ErrorNotice title="The mail could not be loaded" error={error} onRetry={refetch} />}
      {!data && !error && <Waiting lines={6} />}
      {data && <Mail mail={data} />}
    </Modal>
  );
}

function Mail({ mail: { id, from, received_at, text, attachments } }: { mail: WholeMail }) {
  return (
    <>
      <p className={classes.head}>
        {from ?? 'Nobody is named as its sender'}, {formatMoment(received_at)}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling area must be reachable by keyboard */}
      <pre className={classes.text} tabIndex={0}>
        {text.trim() === '' ? 'It has no text.' : text}
      </pre>
      {attachments.length > 0 && (
        <ul className={classes.attachments} aria-label="Attachments, in the download">
          {attachments.map(({ name, bytes }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes, and two may have one name
            <li key={at}>
              {name} <span>{formatSize(bytes)}</span>
            </li>
          ))}
        </ul>
      )}
      <Button
        component="a"
        href={`/api/received-mails/${id}/raw`}
        variant="default"
        leftSection={<IconDownload size={15} />}
      >
        Download as it came
      </Button>
    </>
  );
}
