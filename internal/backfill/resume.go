package backfill

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxState is more than a resume file can have.
const maxState = 1 << 20

const stateVersion = 1

// state is the content of a resume file. It holds ids, and nothing else of a person.
type state struct {
	Version  int               `json:"version"`
	Run      identity          `json:"run"`
	Finished []Kind            `json:"finished,omitempty"`
	Place    place             `json:"place"` // of the first kind that is not finished
	Done     int               `json:"done"`
	Open     map[Kind][]string `json:"open,omitempty"`
}

// identity says which run a resume file belongs to.
type identity struct {
	Instance string `json:"instance"`
	To       string `json:"to"`
	Kinds    []Kind `json:"kinds"`
	As       string `json:"as"`
	Since    string `json:"since,omitempty"`    // as it was given
	SinceMs  int64  `json:"since_ms,omitempty"` // when that was
}

// loadState returns the state of the run that stopped. If there is no such file, it
// returns the state of a new run.
func loadState(path string, run identity) (state, error) {
	fresh := state{Version: stateVersion, Run: run}
	if path == "" {
		return fresh, nil
	}
	s, err := readState(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fresh, saveState(path, fresh) // so that a folder that cannot be written is found now
	case err != nil:
		return state{}, err
	}
	if difference := s.Run.differsFrom(run); difference != "" {
		return state{}, fmt.Errorf("%s belongs to a run with another %s: give the same flags to go on with it, or name another file", path, difference)
	}
	return s, nil
}

func readState(path string) (state, error) {
	file, err := os.Open(path)
	if err != nil {
		return state{}, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxState+1))
	if err != nil {
		return state{}, err
	}
	var s state
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil || len(content) > maxState || s.Version != stateVersion || !s.isSound() {
		return state{}, fmt.Errorf("%s is not a resume file of this version: name another file, or remove it to start from the beginning", path)
	}
	return s, nil
}

func (s state) isSound() bool {
	if s.Place.After != "" && !isID(s.Place.After) || s.Place.Created < 0 || s.Place.Offset < 0 || s.Done < 0 {
		return false
	}
	for kind, ids := range s.Open {
		for _, id := range ids {
			if of, err := KindOf(id); err != nil || of != kind {
				return false
			}
		}
	}
	return true
}

// differsFrom names what is different. The time of --since is not compared: 36h means
// another time whenever a run is started.
func (i identity) differsFrom(other identity) string {
	switch {
	case i.Instance != other.Instance:
		return "Clerk instance (the secret key)"
	case i.To != other.To:
		return "--to"
	case fmt.Sprint(i.Kinds) != fmt.Sprint(other.Kinds):
		return "selection of --users, --organizations and --memberships"
	case i.As != other.As:
		return "--as"
	case i.Since != other.Since:
		return "--since"
	}
	return ""
}

// saveState replaces the file as a whole: whoever stops the command at any time finds
// the old state or the new one.
func saveState(path string, s state) error {
	if path == "" {
		return nil
	}
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // if it was not renamed
	_, err = file.Write(append(content, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
