import { IconDownload } from '@tabler/icons-react';
import classes from './attachments.module.css';
import { formatSize, isImage, type SentFile } from './upload.ts';

/** The longer side at which a thumbnail is shown. */
const sidePixels = 240;

/** The files of a message or an entry: images as small pictures that open, the others by name and size. */
export function SentFiles({ files }: { files: readonly SentFile[] }) {
  return (
    <ul className={classes.files} aria-label="Files">
      {files.map((file) => (
        <li key={file.id}>{file.has_thumbnail ? <Picture file={file} /> : <Download file={file} />}</li>
      ))}
    </ul>
  );
}

function Picture({ file: { id, name, width = sidePixels, height = sidePixels } }: { file: SentFile }) {
  const scale = Math.min(1, sidePixels / Math.max(width, height));
  return (
    <a href={`/api/files/${id}`} target="_blank" rel="noreferrer" className={classes.picture} title={name}>
      <img
        src={`/api/files/${id}/thumbnail`}
        alt={name}
        width={Math.round(width * scale)}
        height={Math.round(height * scale)}
        loading="lazy"
      />
    </a>
  );
}

function Download({ file }: { file: SentFile }) {
  const { id, name, size } = file;
  return (
    <a
      href={`/api/files/${id}`}
      className={classes.download}
      {...(isImage(file) && { target: '_blank', rel: 'noreferrer' })}
    >
      <IconDownload size={15} aria-hidden />
      <span className={classes.name}>{name}</span>
      <span className={classes.size}>{formatSize(size)}</span>
    </a>
  );
}
