// Some characters are invisible or reverse the order of others, so a sender could hide
// text with them. The page shows their codes, and those of marks after eight on a
// letter, which take long to draw. It keeps the ones that join emoji and letters.

const hidden = /(?![\t\n\r])[\p{Cc}\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]|(?<=\p{M}{8})\p{M}/gu;

export const visible = (text) => text.replace(hidden, (c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
