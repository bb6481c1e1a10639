import { IconMail, IconMailExclamation } from '@tabler/icons-react';
import { useState } from 'react';
import { lazyDialog } from '../parts/lazy.tsx';
import classes from './mail.module.css';

const WholeMailDialog = lazyDialog(() => import('./WholeMailDialog.tsx'), 'WholeMailDialog');

export type MailMark = {
  id: string;
  /** Not from the address that was written to. */
  is_other?: boolean;
  is_automatic?: boolean;
  is_cut?: boolean;
  attachments?: number;
  /** It answered no mail of ours. */
  is_unproven?: boolean;
  /** It opened the conversation. */
  is_new?: boolean;
  subject?: string;
  /** What our own mail server found of its sender's domain. */
  vouched?: 'pass' | 'fail';
  /** Attachments that are not among the files. */
  refused?: { name: string; why: string }[];
  /** How many more are in the whole mail only. */
  left_out?: number;
};

/** The subject of a mail that opened the conversation, above its words. */
export const MailSubject = ({ mail }: { mail: MailMark }) =>
  mail.is_new && mail.subject ? <strong className={classes.subject}>{mail.subject}</strong> : null;

/** Below what came by e-mail: from whom it is not, what of it was not taken, and the whole mail one click away. */
export function MailNote({ mail }: { mail: MailMark }) {
  const { id, is_other, is_cut: isCut, attachments = 0, vouched, refused = [] } = mail;
  const [isOpen, setOpen] = useState(false);
  const isDoubtful = is_other || vouched === 'fail';
  const Icon = isDoubtful ? IconMailExclamation : IconMail;
  return (
    <div className={classes.note} data-other={isDoubtful || undefined}>
      <Icon size={14} aria-hidden />
      <span>{sayOrigin(mail)}</span>
      <button type="button" className={classes.whole} onClick={() => setOpen(true)}>
        {isCut ? 'It goes on: the whole mail' : 'The whole mail'}
        {attachments > 0 && `, ${attachments === 1 ? '1 attachment' : `${attachments} attachments`}`}
      </button>
      {refused.length > 0 && (
        <ul className={classes.refused} aria-label="Attachments that were not taken">
          {refused.map(({ name, why }, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the list never changes, and two may have one name
            <li key={at}>
              Not taken: {name}. {why}
            </li>
          ))}
        </ul>
      )}
      <LeftOut count={mail.left_out ?? 0} />
      {isOpen && <WholeMailDialog id={id} onClose={() => setOpen(false)} />}
    </div>
  );
}

function LeftOut({ count }: { count: number }) {
  if (count === 0) return null;
  const words =
    count === 1 ? '1 part of it, such as a small picture, is' : `${count} parts of it, such as small pictures, are`;
  return <span className={classes.left}>{words} in the whole mail only.</span>;
}

function sayOrigin({ is_automatic, is_other, is_unproven, vouched }: MailMark): string {
  if (is_automatic) return 'An automatic answer by e-mail';
  if (vouched === 'fail') return 'By e-mail, and its sender’s domain says it is not from there';
  if (is_other) return 'By e-mail from another address, not verified';
  if (!is_unproven) return 'By e-mail';
  return vouched === 'pass' ? 'By e-mail, from its sender’s domain' : 'By e-mail, its sender is not verified';
}
