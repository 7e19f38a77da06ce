# Made by mmu2d 0.1.0. To draw it again after an edit, run gnuplot on this file
# in its folder. The numbers are in the .tsv beside it.
name = './'.'mix-3000000-cycles'
data = name.'.tsv'
formats = 'svg png '

set encoding utf8
set datafile separator "\t"
set border 3 linecolor rgb '#444444' linewidth 1
set tics nomirror out scale 0.6 font ',11' textcolor rgb '#222222'
set grid noxtics ytics linetype 1 linecolor rgb '#dddddd' linewidth 0.6
set style fill solid 1.0 noborder
set key at screen 0.012, screen 0.9268 left top Left reverse vertical maxrows 2 samplen 1.2 noenhanced font ',11'

do for [format in formats] {
	if (format eq 'svg') {
		set terminal svg size 820,451 font 'sans-serif,13' background 'white'
	} else {
		set terminal pngcairo size 1640,902 font 'sans-serif,13' fontscale 2 linewidth 2 pointscale 2
	}
	set output name.'.'.format
	set label 99 'Cycles by cause' at screen 0.015, screen 0.9561 left font ',15' noenhanced
	set tmargin at screen 0.8271
	set bmargin at screen 0.1707
	set label 100 'zen2, npt, blocking, 1 vCPU, 3,000,000 references of mix-3000000.m2t' at screen 0.015, screen 0.0200 left font ',9' textcolor rgb '#666666' noenhanced
	set xlabel 'Cycles per memory reference' offset 0,0.6 font ',12' noenhanced
	set grid xtics noytics
	set border 3
	set ytics scale 0 noenhanced
	set xrange [0:9.59475]
	set yrange [-10.60:0.6]
	plot data using (0):(-$0):(0):((strcol(3) eq 'base' ? $5 : NaN)):(-$0-0.4000):(-$0+0.4000):ytic(2) skip 1 with boxxyerror linecolor rgb '#999999' title 'execution', \
		data using (0):(-$0):(0):((strcol(3) eq 'walk' ? $5 : NaN)):(-$0-0.4000):(-$0+0.4000):ytic(2) skip 1 with boxxyerror linecolor rgb '#0072b2' title 'hardware: TLB and walks', \
		data using (0):(-$0):(0):((strcol(3) eq 'software' ? $5 : NaN)):(-$0-0.4000):(-$0+0.4000):ytic(2) skip 1 with boxxyerror linecolor rgb '#e69f00' title 'software: faults, exits, flushes', \
		data using 5:(-$0+0.0000):(sprintf('%.3g', $5)) skip 1 with labels left offset 0.4,0 font ',9' textcolor rgb '#444444' notitle
	unset output
}
