import type { AnyRouter } from '@tanstack/react-router';
import type { MouseEvent } from 'react';
import { describeError, describeKept, type Holder, Refusal, sayFault } from './refusal.ts';

const pages = { customer: '/customers', company: '/companies' };
let ownRouter: AnyRouter | undefined;

/** Links to holders open in this router's app without loading the page again. Notifications are outside of the router. */
export function openHoldersIn(router: AnyRouter): void {
  ownRouter = router;
}

/** A link to the record that has a refused value. What is typed stays a draft. */
export function HolderLink({ holder: { type, id, name } }: { holder: Holder }) {
  const href = `${pages[type]}/${id}`;
  const open = (event: MouseEvent) => {
    if (!ownRouter || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    ownRouter.history.push(href);
  };
  return (
    // A field is saved when it loses the focus: the link must not take it, or the field would send the same again.
    <a className="holder" href={href} onClick={open} onMouseDown={(event) => event.preventDefault()}>
      {name}
    </a>
  );
}

type ErrorTextProps = {
  error: unknown;
  /** What was typed is kept. */
  isKept?: boolean;
  /** It is shown at the only field that the error can be about, which is not named again. */
  isAtField?: boolean;
};

/**
 * Any error as `describeError` says it, or `describeKept` if what was typed is kept; if another record has the value, with a link to that
 * record.
 */
export function ErrorText({ error, isKept = false, isAtField = false }: ErrorTextProps) {
  const holder = error instanceof Refusal ? error.holder : undefined;
  if (!holder) {
    const [fault, ...others] = isAtField && error instanceof Refusal ? Object.values(error.fields) : [];
    if (fault !== undefined && others.length === 0) return sayFault(fault);
    return isKept ? describeKept(error) : describeError(error);
  }
  return (
    <>
      It belongs to <HolderLink holder={holder} />.
    </>
  );
}
