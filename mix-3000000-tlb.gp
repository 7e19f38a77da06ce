# Made by mmu2d 0.1.0. To draw it again after an edit, run gnuplot on this file
# in its folder. The numbers are in the .tsv beside it.
name = './'.'mix-3000000-tlb'
data = name.'.tsv'
formats = 'svg png '

set encoding utf8
set datafile separator "\t"
set border 3 linecolor rgb '#444444' linewidth 1
set tics nomirror out scale 0.6 font ',11' textcolor rgb '#222222'
set grid noxtics ytics linetype 1 linecolor rgb '#dddddd' linewidth 0.6
set style fill solid 1.0 noborder
set key at screen 0.012, screen 0.9422 left top Left reverse vertical maxrows 1 samplen 1.2 noenhanced font ',11'

do for [format in formats] {
	if (format eq 'svg') {
		set terminal svg size 820,571 font 'sans-serif,13' background 'white'
	} else {
		set terminal pngcairo size 1640,1142 font 'sans-serif,13' fontscale 2 linewidth 2 pointscale 2
	}
	set output name.'.'.format
	set label 99 'TLB miss ratio over time, within each interval' at screen 0.015, screen 0.9653 left font ',15' noenhanced
	set tmargin at screen 0.9229
	set bmargin at screen 0.1349
	set label 100 'zen2, npt, blocking, 1 vCPU, 3,000,000 references of mix-3000000.m2t' at screen 0.015, screen 0.0158 left font ',9' textcolor rgb '#666666' noenhanced
	set multiplot
	set lmargin at screen 0.115
	set rmargin at screen 0.975
	set xrange [0:3]

	set tmargin at screen 0.9229
	set bmargin at screen 0.6970
	set xtics format ''
	unset xlabel
	set label 3 "L1 data\nTLB misses (%)" at screen 0.028, graph 0.5 center rotate by 90 font ',11'
	unset label 2
	set yrange [0:11.97]
	set ytics 5
	plot data using ($1 == 1 ? ($2 + $3) / 2 / 1000000 : NaN):4 skip 1 with linespoints pointtype 7 pointsize 0.2 linecolor rgb '#0072b2' linewidth 1.5 notitle, \
		-1 notitle

	set tmargin at screen 0.6602
	set bmargin at screen 0.4343
	unset label 99
	unset for [i=100:100] label i
	set label 3 "L1 instruction\nTLB misses (%)" at screen 0.028, graph 0.5 center rotate by 90 font ',11'
	set label 2 'no accesses' at graph 0.5, graph 0.5 center textcolor rgb '#666666'
	set yrange [0:1]
	set ytics 0.5
	plot data using ($1 == 1 ? ($2 + $3) / 2 / 1000000 : NaN):5 skip 1 with linespoints pointtype 7 pointsize 0.2 linecolor rgb '#0072b2' linewidth 1.5 notitle, \
		-1 notitle

	set tmargin at screen 0.3975
	set bmargin at screen 0.1349
	set xtics format '%g'
	set xlabel 'Time (million references)' offset 0,0.6 font ',12' noenhanced
	set label 3 "L2\nTLB misses (%)" at screen 0.028, graph 0.5 center rotate by 90 font ',11'
	unset label 2
	set yrange [0:102.4]
	set ytics 50
	plot data using ($1 == 1 ? ($2 + $3) / 2 / 1000000 : NaN):6 skip 1 with linespoints pointtype 7 pointsize 0.2 linecolor rgb '#0072b2' linewidth 1.5 notitle, \
		-1 notitle
	unset multiplot
	unset output
}
