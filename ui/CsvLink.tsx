import { ActionIcon } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { fileAddress } from './fileaddress.ts';

type CsvLinkProps = {
  path: string;
  /** As in the address of the page; what is not given is left out. */
  filters: Record<string, string | number | boolean | undefined>;
  /** What the file has, where a page gives several. */
  of?: string;
};

/** Downloads all rows of a list as a file, also those that the page has not loaded. */
export function CsvLink({ path, filters, of }: CsvLinkProps) {
  const name = of ? `Download as CSV: ${of}` : 'Download as CSV';
  return (
    <ActionIcon
      component="a"
      href={fileAddress(path, filters)}
      download
      variant="default"
      size={30}
      aria-label={name}
      title={name}
    >
      <IconDownload size={16} />
    </ActionIcon>
  );
}
