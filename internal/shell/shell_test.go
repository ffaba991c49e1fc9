package shell

import (
	"os/exec"
	"testing"
)

// words are hard for a shell, each in its own way.
var words = []string{
	"", "user.created", "it's", "''", "$HOME", "`date`", `\`, `\'`, "a b", "a\nb", "*", "!!", "-n", "#no", "a;b", "ü", "~", "~root", "a=~",
}

func TestShellsReadOneWord(t *testing.T) {
	for name, write := range map[string]func(string) string{"Quote": Quote, "Word": Word} {
		for _, word := range words {
			got, err := exec.Command("sh", "-c", "printf %s. "+write(word)).Output()
			if err != nil || string(got) != word+"." {
				t.Errorf("%s(%q) is %s, and was read as %q (%v)", name, word, write(word), got, err)
			}
		}
	}
}

func TestPlainWordsStayAsTheyAre(t *testing.T) {
	for word, want := range map[string]string{
		"":               "''",
		"a/b.c:8080":     "a/b.c:8080",
		"whsec_abc+/d==": "whsec_abc+/d==",
		"it's":           `'it'\''s'`,
		"$HOME; rm x":    "'$HOME; rm x'",
		"~root":          "'~root'",
	} {
		if got := Word(word); got != want {
			t.Errorf("%q: got %s, want %s", word, got, want)
		}
	}
}
