import type { PickerProps } from '@aether/ui/Picker.tsx';
import { TagPicker } from '@aether/ui/TagMenu.tsx';
import { useQuery } from '@tanstack/react-query';
import { tagsQuery } from '../api/tags.ts';

/** The choice of one of the tags of customers; its values are their ids. */
export function TagInput(props: Omit<PickerProps, 'data'>) {
  const { data } = useQuery(tagsQuery);
  return <TagPicker tags={data?.tags ?? []} {...props} />;
}
