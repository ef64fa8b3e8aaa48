System.Console.WriteLine("fake");
