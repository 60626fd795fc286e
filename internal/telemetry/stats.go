package telemetry

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
)

// Stats turns a struct of plain counters into metrics, read when Prometheus scrapes. The field BytesIn of a Stats with prefix
// weir_sensor_flow becomes weir_sensor_flow_bytes_in_total; a nested struct adds its field's name to the prefix.
//
// Fields may be integers, floats, maps from string to them, and arrays of them; the last two get a label. Others are
// ignored.
type Stats struct {
	Prefix string            // without the final _
	Read   func() any        // returns the struct or a pointer to it; called at every scrape, from another goroutine
	Gauges []string          // Go names of the fields whose value can fall, from the root: Flow.TCP.Active; they get no _total
	Units  map[string]string // by such a name: what the metric's name ends in; nanoseconds become seconds
	Labels map[string]Vector // by Go name: how the elements of an array or map are labelled
	Const  prometheus.Labels // on every metric, for instance the worker
}

// Vector labels the elements of an array or a map.
type Vector struct {
	Label string           // name of the label
	Value func(int) string // the label of element i of an array; elements labelled "" are left out. Not used for maps.
}

// Describe sends nothing: which metrics there are is known when they are read (an unchecked collector).
func (s *Stats) Describe(chan<- *prometheus.Desc) {}

// Collect reads the struct.
func (s *Stats) Collect(out chan<- prometheus.Metric) {
	v := reflect.Indirect(reflect.ValueOf(s.Read()))
	if v.Kind() == reflect.Struct {
		s.collect(out, s.Prefix, "", v)
	}
}

func (s *Stats) collect(out chan<- prometheus.Metric, prefix, path string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.IsExported() {
			s.field(out, prefix+"_"+snake(f.Name), path+f.Name, v.Field(i))
		}
	}
}

func (s *Stats) field(out chan<- prometheus.Metric, name, field string, v reflect.Value) {
	if n, ok := number(v); ok {
		s.emit(out, name, field, nil, nil, n)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		s.collect(out, name, field+".", v)
	case reflect.Array, reflect.Slice:
		s.array(out, name, field, v)
	case reflect.Map:
		s.mapping(out, name, field, v)
	}
}

func (s *Stats) array(out chan<- prometheus.Metric, name, field string, v reflect.Value) {
	vec, ok := s.Labels[field]
	if !ok || vec.Value == nil {
		return
	}
	for i := range v.Len() {
		n, isNumber := number(v.Index(i))
		if label := vec.Value(i); isNumber && label != "" {
			s.emit(out, name, field, []string{vec.Label}, []string{label}, n)
		}
	}
}

func (s *Stats) mapping(out chan<- prometheus.Metric, name, field string, v reflect.Value) {
	if v.Type().Key().Kind() != reflect.String {
		return
	}
	label := "name"
	if vec, ok := s.Labels[field]; ok {
		label = vec.Label
	}
	for _, k := range v.MapKeys() {
		if n, ok := number(v.MapIndex(k)); ok {
			s.emit(out, name, field, []string{label}, []string{k.String()}, n)
		}
	}
}

func (s *Stats) emit(out chan<- prometheus.Metric, name, field string, labels, values []string, n float64) {
	what := words(field[strings.LastIndexByte(field, '.')+1:])
	if unit := s.Units[field]; unit != "" {
		if scaled, ok := strings.CutSuffix(unit, "nanoseconds"); ok {
			unit, n = scaled+"seconds", n/1e9
		}
		name += "_" + unit
	}
	kind, help := prometheus.CounterValue, "Total of "+what+"."
	if slices.Contains(s.Gauges, field) {
		kind, help = prometheus.GaugeValue, "Current "+what+"."
	} else if !strings.HasSuffix(name, "_total") {
		name += "_total"
	}
	desc := prometheus.NewDesc(name, help, labels, s.Const)
	m, err := prometheus.NewConstMetric(desc, kind, n, values...)
	if err != nil {
		m = prometheus.NewInvalidMetric(desc, fmt.Errorf("metric %s: %w", name, err))
	}
	out <- m
}

func number(v reflect.Value) (float64, bool) {
	switch {
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}

// oneWord are names that have capital letters within.
var oneWord = strings.NewReplacer("ICMPv", "Icmpv", "IPv", "Ipv", "PPPoE", "Pppoe", "QinQinQ", "Qinqinq", "QinQ", "Qinq")

// snake writes BytesIn as bytes_in, TCPSegments as tcp_segments, FirstSYNs as first_syns and BadIPv4 as bad_ipv4.
func snake(name string) string {
	var b strings.Builder
	rs := []rune(oneWord.Replace(name))
	for i, r := range rs {
		plural := i+1 < len(rs) && rs[i+1] == 's' && (i+2 == len(rs) || unicode.IsUpper(rs[i+2]))
		starts := unicode.IsUpper(r) && i > 0 &&
			(!unicode.IsUpper(rs[i-1]) || i+1 < len(rs) && unicode.IsLower(rs[i+1]) && !plural)
		if starts {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func words(name string) string { return strings.ReplaceAll(snake(name), "_", " ") }
