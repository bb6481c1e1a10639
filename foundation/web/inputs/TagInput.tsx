import { Picker, type PickerProps } from '@aether/ui/Picker.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { toneOf } from '@aether/ui/tiers.ts';
import { useQuery } from '@tanstack/react-query';
import { tagsQuery } from '../api/tags.ts';

/** The choice of one of the tags that there are; its values are their ids. */
export function TagInput(props: Omit<PickerProps, 'data'>) {
  const { data } = useQuery(tagsQuery);
  const tags = data?.tags ?? [];
  return (
    <Picker
      clearable
      placeholder="None"
      nothingFound="No tag is called so"
      data={tags.map(({ id, name }) => ({ value: String(id), label: name }))}
      drawChoice={({ value, label }) => (
        <Tag tone={toneOf(tags.find(({ id }) => String(id) === value)?.colour)}>{label}</Tag>
      )}
      {...props}
    />
  );
}
