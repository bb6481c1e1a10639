import { TagMenu as Menu } from '@aether/ui/TagMenu.tsx';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createTag, tagsQuery } from '../api/tags.ts';

type TagMenuProps = { onPick: (id: number, isAdded: boolean) => void; onlyAdds?: boolean };

/** The tags of customers, to give one, to take one away, or to make one. */
export function TagMenu(props: TagMenuProps) {
  const client = useQueryClient();
  const { data } = useQuery(tagsQuery);
  const make = async (name: string) => {
    const made = await createTag({ name, colour: 'grey' });
    void client.invalidateQueries({ queryKey: ['tags'] });
    return made;
  };
  return <Menu tags={data?.tags ?? []} make={make} {...props} />;
}
