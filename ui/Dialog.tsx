import { Alert, Button, Group, Modal, type ModalProps, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useEffect, useEffectEvent, useRef, useState } from 'react';
import { type Faults, findShown, type Said } from './faults.ts';
import { ErrorText, HolderLink } from './Holder.tsx';
import { sendOnModEnter } from './Keys.tsx';
import { describeError, Refusal, sayFault } from './refusal.ts';
import { type Drafting, describeDraft } from './useDraft.ts';

type DialogProps<Made, Values> = {
  title: string;
  verb: string;
  color?: string;
  size?: ModalProps['size'];
  isReady?: boolean;
  /** The typed values. They are kept when the dialog is closed, unless the person cancels. `version` is that of the record when they began. */
  draft?: Drafting<Values>;
  /** What is wrong with the present values, by the `name` of the input; it is not sent before that is corrected. */
  faults?: Faults;
  save: () => Promise<Made>;
  onSaved: (made: Made) => void;
  onClose: () => void;
  /** The inputs; the argument is what is said below each, by its `name`. */
  children: (errors: Said) => ReactNode;
};

/**
 * A form in a dialog. Enter saves, and Ctrl+Enter from every field. A fault is said once: at its field, or below if the field is not in
 * the form. Escape leaves a draft, Cancel discards it.
 */
export function Dialog<Made, Values = unknown>(props: DialogProps<Made, Values>) {
  const { title, verb, color, size, isReady = true, draft, faults = {}, save, onSaved, onClose, children } = props;
  const form = useRef<HTMLFormElement>(null);
  const [isTried, setTried] = useState(false);
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  const [sent, setSent] = useState<Values>();
  /** The refused fields that have no input here. */
  const [elsewhere, setElsewhere] = useState<string[]>([]);
  const saving = useMutation({
    mutationFn: save,
    onSuccess: (made) => {
      draft?.clear();
      onSaved(made);
    },
    onError: (error) => {
      if (!draft || !(error instanceof Refusal)) return;
      if (error.code === 'client-id-reused') draft.renew();
      if (error.isConflict && error.actual !== undefined)
        draft.change({ version: error.actual } as unknown as Partial<Values>);
    },
  });
  const error = saving.error;
  const { fields: refused = {}, holder } = error instanceof Refusal ? error : {};
  const values = draft?.value;
  const shown = findShown({ own: faults, isTried, left, refused, sent, values });

  useEffect(() => {
    const names = error instanceof Refusal ? Object.keys(error.fields) : [];
    setElsewhere(names.filter((name) => !findInput(form.current, name)));
    focusFirst(form.current, names);
  }, [error]);
  const note = (name: string) => {
    if (name !== '') setLeft((before) => (before.has(name) ? before : new Set([...before, name])));
  };
  /** While a mouse button is down, nothing may appear: it would move what is clicked from under the mouse. */
  const held = useRef<string[] | undefined>(undefined);
  const leave = (name: string) => {
    if (held.current) held.current.push(name);
    else note(name);
  };
  const release = useEffectEvent(() => {
    const names = held.current ?? [];
    held.current = undefined;
    for (const name of names) note(name);
  });
  useEffect(() => {
    const afterClick = () => setTimeout(release);
    for (const end of ['pointerup', 'pointercancel']) window.addEventListener(end, afterClick);
    return () => {
      for (const end of ['pointerup', 'pointercancel']) window.removeEventListener(end, afterClick);
    };
  }, []);
  const holdBack = () => {
    held.current ??= [];
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (!isReady || saving.isPending) return;
    if (Object.keys(faults).length > 0) {
      focusFirst(form.current, Object.keys(faults));
      return;
    }
    setSent(values);
    saving.mutate();
  };
  const isSaidAtFields = Object.keys(refused).length > 0 && elsewhere.length === 0;
  return (
    <Modal opened onClose={onClose} title={title} size={size}>
      <form
        ref={form}
        noValidate
        autoComplete="off"
        onSubmit={submit}
        onKeyDown={sendOnModEnter}
        onPointerDownCapture={holdBack}
        onBlur={({ target }) => leave(nameOf(target))}
        onInput={({ target }) => (target as HTMLInputElement).value === '' && note(nameOf(target))}
      >
        <Stack gap="sm">
          {children(holder ? linkHolder(shown, refused, <HolderLink holder={holder} />) : shown)}
          {error && !isSaidAtFields && (
            <Alert color="red" c="var(--bad)" role="alert">
              {describeFailure(error, elsewhere, draft !== undefined)}
            </Alert>
          )}
          <Group justify="flex-end" mt="xs">
            {draft?.isThere && (draft.restoredAt || !draft.isKept) && (
              <Text size="xs" c="dimmed" mr="auto" role="status">
                {describeDraft(draft)}
              </Text>
            )}
            <Button
              variant="default"
              onClick={() => {
                draft?.discard();
                onClose();
              }}
            >
              Cancel
            </Button>
            <Button type="submit" color={color} loading={saving.isPending} disabled={!isReady}>
              {verb}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

const nameOf = (target: EventTarget): string => (target as HTMLInputElement).name ?? '';

const findInput = (form: HTMLFormElement | null, name: string): HTMLElement | undefined =>
  [...(form?.elements ?? [])].find((each): each is HTMLInputElement => (each as HTMLInputElement).name === name);

/** Focuses the first input of the form that is called so. */
function focusFirst(form: HTMLFormElement | null, names: string[]): void {
  const inputs = [...(form?.elements ?? [])] as HTMLInputElement[];
  inputs.find(({ name }) => names.includes(name))?.focus();
}

/** What is said at the fields; where the server refused a value that another record has, with a link to that record. */
function linkHolder(shown: Faults, refused: Faults, link: ReactNode): Said {
  const linked = Object.keys(shown).filter((field) => shown[field] === sayFault(refused[field] ?? ''));
  return { ...shown, ...Object.fromEntries(linked.map((field) => [field, <>It belongs to {link}.</>])) };
}

/** The whole failure, or only what concerns fields without an input. */
function describeFailure(error: unknown, fields: string[], hasDraft: boolean): ReactNode {
  if (!(error instanceof Refusal)) return describeError(error);
  if (error.code === 'client-id-reused')
    return 'This was saved before, when no answer came, and you have changed it since. Look at what was saved; to save this as well, press the button again.';
  if (error.isConflict && hasDraft && error.actual !== undefined)
    return 'Somebody else changed this after you began. Press the button again to save yours over theirs, or cancel to keep theirs.';
  return <ErrorText error={fields.length > 0 ? error.only(fields) : error} isKept={hasDraft} />;
}
