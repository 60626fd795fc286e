package event

import "reflect"

// Add adds the counters of another worker. What is not a counter stays.
func (s *StatsRecord) Add(o *StatsRecord) {
	largest := max(s.Flow.Decoder.MaxPktSize, o.Flow.Decoder.MaxPktSize)
	sum(reflect.ValueOf(s).Elem(), reflect.ValueOf(o).Elem())
	s.Flow.Decoder.MaxPktSize = largest
}

// sum adds every unsigned number below; it runs once in a report, not for packets.
func sum(into, from reflect.Value) {
	switch into.Kind() {
	case reflect.Uint64:
		into.SetUint(into.Uint() + from.Uint())
	case reflect.Struct:
		for i := range into.NumField() {
			if into.Field(i).CanSet() {
				sum(into.Field(i), from.Field(i))
			}
		}
	case reflect.Array:
		for i := range into.Len() {
			sum(into.Index(i), from.Index(i))
		}
	}
}
