import type { Conflict } from '@aether/ui/ConflictDialog.tsx';
import { followOwnWrites, noteOwnWrite } from '@aether/ui/ownwrites.ts';
import { Refusal } from '@aether/ui/refusal.ts';
import { showRefusal, showUndo } from '@aether/ui/toasts.tsx';
import { useState } from 'react';
import type { FieldSpec, FieldValues, Snapshot } from './fields.ts';

/** Sends a change; the answer has the new version. `isUndo`: the change takes back a former one. @throws Refusal */
export type Save = (change: FieldValues, expectedVersion: number, isUndo: boolean) => Promise<{ version: number }>;

type EditingOptions = {
  /** Such as `customer:<id>`. */
  record: string;
  name: string;
  specs: FieldSpec[];
  save: Save;
  reload: () => Promise<Snapshot>;
};

/** Saves each field with the version at which it was read. Every saved change can be undone. */
export function useEditing({ record, name, specs, save, reload }: EditingOptions) {
  const [conflict, setConflict] = useState<{ shown: Conflict; stored: Snapshot } | undefined>();
  const pick = (from: FieldValues) => Object.fromEntries(specs.map(({ field }) => [field, from[field] ?? null]));

  async function write(part: FieldValues, version: number, isUndo = false): Promise<{ version: number }> {
    const saved = await save(part, version, isUndo);
    noteOwnWrite(record, version, saved.version);
    return saved;
  }

  async function change(part: FieldValues, from: Snapshot): Promise<void> {
    try {
      const saved = await write(part, from.version);
      setConflict(undefined);
      offerUndo(part, from.values, saved.version);
    } catch (error) {
      if (!(error instanceof Refusal && error.isConflict)) throw error;
      const stored = await reload();
      setConflict({ shown: { name, base: pick(from.values), mine: part, theirs: pick(stored.values) }, stored });
    }
  }

  function offerUndo(part: FieldValues, base: FieldValues, at: number): void {
    const labels = specs.filter(({ field }) => field in part).map(({ label }) => label);
    const before = Object.fromEntries(Object.keys(part).map((field) => [field, base[field] ?? null]));
    showUndo({
      message: `${labels.join(', ')} of ${name} was changed.`,
      undo: () => write(before, followOwnWrites(record, at), true),
    });
  }

  return {
    conflict: conflict?.shown,
    change,
    discard: () => setConflict(undefined),
    resolve(chosen: Record<string, unknown>) {
      if (!conflict) return;
      if (Object.keys(chosen).length === 0) setConflict(undefined);
      else change(chosen as FieldValues, conflict.stored).catch((error) => showRefusal('Not saved', error));
    },
  };
}
