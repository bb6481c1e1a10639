import { ErrorText } from '@aether/ui/Holder.tsx';
import { useDraft } from '@aether/ui/useDraft.ts';
import { Text, Tooltip } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { type ReactNode, useRef, useState } from 'react';
import type { Provenance } from '../api/records.ts';
import { FieldInput } from './FieldInput.tsx';
import { type FieldSpec, type FieldValue, parseTyped, type Snapshot } from './fields.ts';
import { ProvenanceNote } from './Provenance.tsx';
import classes from './record.module.css';

/** An edit that is not saved yet: what is typed, and the record as it was when the edit began. Nothing if there is none. */
type Edit = { typed?: FieldValue; begun?: Snapshot };
const noEdit: Edit = {};

type InlineFieldProps = {
  /** Such as `customer:<id>`. */
  record: string;
  spec: FieldSpec;
  text: string;
  /** The record as it is now. An edit refers to the version that the person saw when it began, whatever arrives meanwhile. */
  snapshot: Snapshot;
  provenance?: Provenance;
  describe: (field: string, value: unknown) => { text: string };
  /** @throws Refusal, which the field shows. */
  onSave: (value: FieldValue, from: Snapshot) => Promise<void>;
};

/** A field that becomes an input in its place. Enter or leaving the input saves, Escape discards. */
export function InlineField({ record, spec, snapshot, text, provenance, describe, onSave }: InlineFieldProps) {
  const isUnchanged = ({ typed, begun }: Edit) =>
    typed === undefined || parseTyped(spec.kind, typed) === (begun?.values[spec.field] ?? null);
  const draft = useDraft<Edit>(`field:${record}:${spec.field}`, noEdit, isUnchanged);
  const { typed, begun = snapshot } = draft.value;
  const [pending, setPending] = useState<FieldValue | undefined>();
  const [error, setError] = useState<unknown>();
  const button = useRef<HTMLButtonElement>(null);
  // Enter disables the input, which then loses the focus. That must not save a second time.
  const isBusy = useRef(false);
  const shown = text || (spec.locked ? '—' : `Add ${spec.label.toLowerCase()}`);
  const note = provenance && (
    <ProvenanceNote provenance={provenance} before={describe(spec.field, provenance.old).text} />
  );

  function start(): void {
    if (spec.locked !== undefined) return;
    draft.set({ typed: snapshot.values[spec.field] ?? null, begun: snapshot });
  }
  async function finish(next: FieldValue): Promise<void> {
    if (isBusy.current) return;
    const wanted = parseTyped(spec.kind, next);
    if (wanted === (begun.values[spec.field] ?? null)) return stop();
    isBusy.current = true;
    setPending(wanted);
    setError(undefined);
    try {
      await onSave(wanted, begun);
      stop();
    } catch (refusal) {
      setError(refusal);
    } finally {
      isBusy.current = false;
      setPending(undefined);
    }
  }
  function stop(): void {
    isBusy.current = false;
    draft.clear();
    setError(undefined);
    requestAnimationFrame(() => button.current?.focus({ preventScroll: true }));
  }

  if (typed === undefined)
    return (
      <Row label={spec.label}>
        <Explained note={spec.locked ?? note}>
          <button
            ref={button}
            type="button"
            className={classes.value}
            data-locked={spec.locked !== undefined}
            data-empty={text === ''}
            aria-disabled={spec.locked !== undefined}
            aria-label={`${spec.label}: ${shown}${spec.locked ? '. Locked' : ''}`}
            onClick={start}
          >
            {shown}
            {spec.locked && <IconLock size={13} aria-hidden />}
          </button>
        </Explained>
      </Row>
    );
  return (
    <Row label={spec.label}>
      <FieldInput
        spec={spec}
        value={typed}
        text={text}
        isSaving={pending !== undefined}
        isRefused={error !== undefined}
        isRestored={draft.restoredAt !== undefined}
        onChange={(next) => draft.change({ typed: next })}
        onFinish={finish}
        onCancel={stop}
        onLeave={() => isBusy.current || stop()}
      />
      {draft.restoredAt && (
        <Text size="xs" c="dimmed">
          Not saved yet. Enter saves it, Escape discards it.
        </Text>
      )}
      {error !== undefined && (
        <Text size="xs" c="var(--bad)" role="alert">
          <ErrorText error={error} isKept isAtField />
        </Text>
      )}
    </Row>
  );
}

function Row({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className={classes.row}>
      <dt className={classes.label}>{label}</dt>
      <dd className={classes.cell}>{children}</dd>
    </div>
  );
}

function Explained({ note, children }: { note: ReactNode; children: ReactNode }) {
  if (!note) return children;
  return (
    <Tooltip label={note} multiline w={250} position="right" events={{ hover: true, focus: true, touch: true }}>
      {children}
    </Tooltip>
  );
}
