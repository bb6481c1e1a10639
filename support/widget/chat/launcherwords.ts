/** The launcher's words before the panel is loaded. */
const open: Record<string, string> = {
  de: 'Chat öffnen',
  fr: 'Ouvrir le chat',
  es: 'Abrir el chat',
  tr: 'Sohbeti aç',
};

/** What a press says when the panel could not be loaded. */
const failed: Record<string, string> = {
  de: 'Der Chat konnte nicht geladen werden. Bitte noch einmal drücken.',
  fr: 'Le chat n’a pas pu être chargé. Appuyez de nouveau.',
  es: 'No se pudo cargar el chat. Pulse de nuevo.',
  tr: 'Sohbet yüklenemedi. Tekrar basın.',
};

export const failureOf = (language: string): string => failed[language] ?? 'The chat could not be loaded. Press again.';
export const wordsOf = (language: string): string => open[language] ?? 'Open the chat';
