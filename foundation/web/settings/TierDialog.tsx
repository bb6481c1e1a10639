import { Dialog } from '@aether/ui/Dialog.tsx';
import { findMissing } from '@aether/ui/faults.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { colours, describeTier } from '@aether/ui/tiers.ts';
import { useDraft } from '@aether/ui/useDraft.ts';
import { TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changeTier, createTier, type NewTier, type Tier } from '../api/tiers.ts';

/** `Very good` → `very-good`: what a new tier is called in the API, unless somebody types something else. */
export const makeTierKey = (label: string) =>
  label
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 40);

/** `version` is the one that the person saw when they began. */
type Values = NewTier & { version?: number };
type TierDialogProps = { tier: Tier | undefined; onClose: () => void };

/** Adds a tier, or changes the label and the colour of one: its key stays for good. */
export function TierDialog({ tier, onClose }: TierDialogProps) {
  const client = useQueryClient();
  const draft = useDraft<Values>(
    tier ? `tier:${tier.key}` : 'new-tier',
    tier ?? { key: '', label: '', colour: 'grey' },
  );
  const { value: values, change } = draft;
  const [isKeyTyped, setKeyTyped] = useState(() => tier !== undefined || values.key !== makeTierKey(values.label));
  const { key, label, colour } = values;
  return (
    <Dialog
      title={tier ? tier.label : 'New tier'}
      verb={tier ? 'Save' : 'Add'}
      draft={draft}
      faults={findMissing(values, {
        label: 'Write a label.',
        key: 'Write a key of small letters, digits and hyphens.',
      })}
      save={() =>
        tier
          ? changeTier(tier.key, { label, colour, expected_version: values.version ?? tier.version })
          : createTier({ key, label, colour })
      }
      onSaved={() => {
        void client.invalidateQueries({ queryKey: ['tiers'] });
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <TextInput
            label="Label"
            name="label"
            withAsterisk
            data-autofocus
            value={label}
            error={errors.label}
            onChange={({ currentTarget: { value } }) =>
              change({ label: value, ...(!isKeyTyped && { key: makeTierKey(value) }) })
            }
          />
          <TextInput
            label="Key"
            name="key"
            description="The tier’s name in the API. It cannot be changed later."
            withAsterisk
            disabled={tier !== undefined}
            value={key}
            error={errors.key}
            onChange={(event) => {
              setKeyTyped(true);
              change({ key: event.currentTarget.value });
            }}
          />
          <Picker
            label="Colour"
            name="colour"
            data={colours}
            value={colour}
            error={errors.colour}
            drawChoice={(choice) => {
              const shown = { key, label: choice.label, colour: choice.value as NewTier['colour'] };
              return <Tag tone={describeTier(key, [shown]).tone}>{choice.label}</Tag>;
            }}
            onChange={(next) => change({ colour: next as NewTier['colour'] })}
          />
        </>
      )}
    </Dialog>
  );
}
