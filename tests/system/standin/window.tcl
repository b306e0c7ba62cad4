# The window of the stand-in Gateway: large, and of a colour that nothing else on the screen has.
set mode [lindex $argv 0]
wm title . "IB Gateway (stand-in), $mode"
wm geometry . 600x400+100+100
. configure -background #c00040
label .text -text "IB Gateway stand-in, $mode" -background #c00040 -foreground white -font {Helvetica 24}
pack .text -expand 1
