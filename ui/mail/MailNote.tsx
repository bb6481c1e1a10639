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
};

/** Below what came by e-mail: from whom it is not, and the whole mail one click away. */
export function MailNote({ mail }: { mail: MailMark }) {
  const { id, is_other: isOther, is_automatic: isAutomatic, is_cut: isCut, attachments = 0 } = mail;
  const [isOpen, setOpen] = useState(false);
  const Icon = isOther ? IconMailExclamation : IconMail;
  return (
    <span className={classes.note} data-other={isOther || undefined}>
      <Icon size={14} aria-hidden />
      <span>
        {isAutomatic
          ? 'An automatic answer by e-mail'
          : isOther
            ? 'By e-mail from another address, not verified'
            : 'By e-mail'}
      </span>
      <button type="button" className={classes.whole} onClick={() => setOpen(true)}>
        {isCut ? 'It goes on: the whole mail' : 'The whole mail'}
        {attachments > 0 && `, ${attachments === 1 ? '1 attachment' : `${attachments} attachments`}`}
      </button>
      {isOpen && <WholeMailDialog id={id} onClose={() => setOpen(false)} />}
    </span>
  );
}
